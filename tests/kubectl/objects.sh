# Objects of the common kinds: applied, read in every form, changed, and deleted.
kubectl apply -f objects.yaml
kubectl apply -f objects.yaml
kubectl get -f objects.yaml
kubectl get all -n shop
kubectl get cm,secret,svc,sts,deploy,pdb,cronjob,role -n shop
kubectl get sts,deploy,svc,cronjob -n shop -o wide
kubectl get ns shop -o yaml
kubectl get cm settings -n shop -o yaml
kubectl get secret keys -n shop -o json
kubectl get svc web -n shop -o yaml
kubectl get sts db -n shop -o yaml --show-managed-fields
kubectl get deploy web -n shop -o yaml
kubectl get cm -A -l app=web -o name
kubectl get cm -n shop --field-selector metadata.name=settings --no-headers
kubectl get cm settings -n shop -o jsonpath='{.data.colour}'
kubectl get sts -n shop -o custom-columns=NAME:.metadata.name,WANTED:.spec.replicas
kubectl get sts,deploy -n shop --sort-by=.spec.replicas
kubectl get cm settings -n shop --show-labels
kubectl describe cm settings -n shop
kubectl describe secret keys -n shop
kubectl describe pdb db -n shop
kubectl describe role reader -n shop
kubectl label cm settings -n shop tier=front
kubectl label cm settings -n shop app=other
kubectl label cm settings -n shop app=other --overwrite
kubectl annotate cm settings -n shop note=hello
kubectl patch cm settings -n shop -p '{"data":{"colour":"red"}}'
kubectl patch cm settings -n shop --type=merge -p '{"data":{"size":null}}'
kubectl patch cm settings -n shop --type=json -p '[{"op":"add","path":"/data/shape","value":"round"}]'
kubectl patch cm settings -n shop --type=json -p '[{"op":"test","path":"/data/shape","value":"square"}]'
kubectl patch deploy web -n shop -p '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2"}]}}}}'
kubectl get deploy web -n shop -o jsonpath='{.spec.template.spec.containers[*].image}{.metadata.generation}'
kubectl scale sts db -n shop --replicas=5
kubectl scale sts db -n shop --replicas=1 --current-replicas=3
kubectl set image deploy/web -n shop web=web:3
kubectl set env deploy/web -n shop A=c
kubectl diff -f objects.yaml
kubectl apply -f objects.yaml --prune --all -n shop --dry-run=server
kubectl wait sts/db -n shop --for=jsonpath='{.spec.replicas}'=5 --timeout=5s
kubectl get cm nothing -n shop
kubectl get nothing -n shop
kubectl delete cm settings -n shop
kubectl delete cm settings -n shop
kubectl delete cm settings -n shop --ignore-not-found
kubectl delete deploy,sts -n shop --all --cascade=background
kubectl get deploy,sts -n shop
kubectl create deployment cache -n shop --image=cache:1 --replicas=2 --port=6379
kubectl create configmap more -n shop --from-literal=a=b
kubectl create secret generic more -n shop --from-literal=a=b
kubectl create job once -n shop --image=once:1 -- true
kubectl create service clusterip cache -n shop --tcp=6379:6379
kubectl create role writer -n shop --verb=create --resource=configmaps
kubectl get deploy/cache job/once svc/cache cm/more -n shop -o yaml
kubectl run one -n shop --image=one:1 --dry-run=server -o yaml
kubectl auth can-i create pods
kubectl rollout history deploy/cache -n shop
kubectl rollout restart deploy/cache -n shop
kubectl rollout pause deploy/cache -n shop
