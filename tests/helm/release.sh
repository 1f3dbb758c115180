# The life of a release: installed, upgraded, rolled back, tested, and taken away.
kubectl wait nodes --all --for=condition=Ready --timeout=30s
helm list
helm template one shop --set colour=red --validate
helm install one shop --dry-run=client
helm install one shop --dry-run=server --set web.replicas=1
kubectl get deploy,sts,cm,svc,job,crd -l app.kubernetes.io/managed-by=Helm
helm install one shop --wait --timeout 60s
kubectl get deploy,sts,job,crd
kubectl get cm,svc -l app.kubernetes.io/managed-by=Helm
kubectl get secret -l owner=helm
kubectl get secret sh.helm.release.v1.one.v1 -o jsonpath='{.type} {.metadata.labels}'
kubectl get deploy one-shop-web -o yaml --show-managed-fields
kubectl get cm one-shop -o yaml --show-managed-fields
helm list
helm list -o json
helm status one | sort
helm status one -o json | grep -o '"status":"[a-z]*"'
helm get values one
helm get values one --all
helm get manifest one
helm get notes one
helm get hooks one
helm get metadata one
helm test one --timeout 30s
kubectl get pod one-shop-reach -o jsonpath='{.status.phase}'
helm upgrade one shop --set colour=red --set web.replicas=3 --wait --timeout 60s
helm history one
kubectl get cm one-shop -o jsonpath='{.data.colour}'
kubectl get deploy one-shop-web -o jsonpath='{.spec.replicas} {.status.readyReplicas} {.metadata.generation}'
helm upgrade one shop --reuse-values --set database.enabled=false
helm get values one
kubectl get sts,svc -l app.kubernetes.io/managed-by=Helm
helm upgrade one shop --reset-values --set migrate.enabled=false
helm get values one
helm upgrade --install two shop --set colour=blue --create-namespace -n second --wait --timeout 60s
helm upgrade --install two shop --set colour=green -n second
helm list -A
helm list -n second --filter 'tw.*' -q
helm rollback one 2 --wait --timeout 60s
helm history one
helm get values one --revision 2
kubectl get cm one-shop -o jsonpath='{.data.colour}'
helm rollback one
helm history one -o yaml | sed 's/updated:.*/updated: TIME/'
helm upgrade one shop --server-side=false --set colour=blue
helm upgrade one shop --force-replace --server-side=false --set colour=green --set web.replicas=1
helm history one --max 2
helm uninstall one --keep-history --wait
helm list
helm list --uninstalled
helm status one | sort
helm history one
kubectl get deploy,sts,cm,svc -l app.kubernetes.io/managed-by=Helm
helm rollback one 1 --wait --timeout 60s
helm list
helm uninstall one --wait
helm uninstall two -n second --cascade foreground --wait
kubectl get secret -A -l owner=helm
kubectl get crd orders.shop.example.org
helm install three shop --set migrate.enabled=false --skip-crds --no-hooks --description 'a third'
helm list -o yaml | sed 's/updated:.*/updated: TIME/'
helm uninstall three --cascade orphan
helm install --generate-name shop --name-template 'shop-{{ "a" }}' --labels team=web
kubectl get secret -l team=web
