# What goes wrong: before anything is sent, at the server, and while pods start.
kubectl wait nodes --all --for=condition=Ready --timeout=30s
helm status nothing
helm history nothing
helm get values nothing
helm rollback nothing 1
helm uninstall nothing
helm uninstall nothing --ignore-not-found
helm upgrade nothing shop
helm test nothing
helm install One shop
helm install one nowhere
helm install one shop --set colour=yellow
helm install one shop --set web.replicas=-1
helm install one shop --set service.type=Strange
helm list
helm uninstall one
helm install one shop --set web.resources.requests.cpu=much --dry-run=server
helm install one shop --set web.image.repository='a b' --set web.replicas=0 --set database.enabled=false
helm uninstall one
helm install one shop -n nowhere
kubectl create cm one-shop
helm install one shop
helm install one shop --take-ownership --set migrate.enabled=false
kubectl get cm one-shop -o jsonpath='{.metadata.annotations} {.metadata.labels}'
helm install one shop
kubectl create cm other --from-literal=a=b -o yaml --dry-run=client | kubectl apply --server-side --field-manager=hand -f -
kubectl get cm one-shop -o yaml | sed 's/colour: green/colour: mine/' | kubectl apply --server-side --field-manager=hand --force-conflicts -f -
helm upgrade one shop --set colour=red --set migrate.enabled=false
helm history one
helm upgrade one shop --set colour=red --set migrate.enabled=false --force-conflicts --wait --timeout 60s
kubectl get cm one-shop -o jsonpath='{.data.colour}'
helm upgrade one shop --set web.image.tag=slow --set migrate.enabled=false --wait --timeout 6s
helm history one
helm status one | sort
helm upgrade one shop --set web.image.tag=missing --set migrate.enabled=false --rollback-on-failure --timeout 6s
helm history one
kubectl get deploy one-shop-web -o jsonpath='{.spec.template.spec.containers[0].image}'
helm rollback one 3 --wait --timeout 30s
helm upgrade one shop --set migrate.image=shop/migrate:broken --timeout 20s
helm history one
kubectl get job one-shop-migrate -o jsonpath='{.status.failed} {.status.conditions[*].type} {.status.conditions[*].reason}'
helm rollback one 99
helm uninstall one --wait
helm install two shop --set migrate.image=shop/migrate:broken --rollback-on-failure --timeout 20s
helm list
helm install two shop --set disk=none --set migrate.enabled=false --rollback-on-failure --timeout 5s
helm list
kubectl get deploy,sts,cm,svc -l app.kubernetes.io/managed-by=Helm
helm install two shop --set migrate.enabled=false --wait=legacy --timeout 30s
helm upgrade two shop --set service.port=99999 --set migrate.enabled=false
helm upgrade two shop --set service.port=99999 --set migrate.enabled=false --server-side=false
helm history two
helm list --pending
helm list --failed
helm upgrade two shop --kube-as-user=alice
helm list --kube-as-user=alice
helm install four shop --kube-as-user=alice -n kube-public
helm uninstall two --dry-run
helm uninstall two
