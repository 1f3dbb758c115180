# What runs: described, rolled out and back, scaled, waited for, moved off a node, taken away.
kubectl wait nodes --all --for=condition=Ready --timeout=30s
kubectl create deployment web --image=web:1 --replicas=2 --port=80
kubectl rollout status deploy/web --timeout=30s | tail -n 1
kubectl get deploy web
kubectl describe deploy web | grep -v '^ *Normal'
kubectl annotate deploy web kubernetes.io/change-cause='the first'
kubectl set image deploy/web web=web:2
kubectl rollout status deploy/web --timeout=30s | tail -n 1
kubectl annotate deploy web kubernetes.io/change-cause='the second'
kubectl rollout history deploy/web
kubectl rollout history deploy/web --revision=2
kubectl rollout history deploy/web --revision=7
kubectl rollout undo deploy/web --dry-run=server
kubectl rollout undo deploy/web
kubectl rollout status deploy/web --timeout=30s | tail -n 1
kubectl get deploy web -o jsonpath='{.spec.template.spec.containers[0].image}'
kubectl rollout undo deploy/web --to-revision=9
kubectl rollout history deploy/web
kubectl rollout pause deploy/web
kubectl rollout pause deploy/web
kubectl rollout restart deploy/web
kubectl rollout resume deploy/web
kubectl rollout restart deploy/web
kubectl rollout status deploy/web --timeout=30s | tail -n 1
kubectl scale deploy/web --replicas=3
kubectl wait deploy/web --for=jsonpath='{.status.readyReplicas}'=3 --timeout=30s
kubectl scale deploy/web --replicas=1 --current-replicas=2
kubectl autoscale deploy/web --min=1 --max=4 --cpu=50%
kubectl get hpa web -o jsonpath='{.spec}'
kubectl delete hpa web
kubectl expose deploy/web --port=80 --target-port=8080
kubectl get svc web -o jsonpath='{.spec.ports} {.spec.selector}'
kubectl expose deploy/web --port=80
kubectl get rs -l app=web -o custom-columns=WANTED:.spec.replicas,IMAGE:.spec.template.spec.containers[0].image --sort-by=.metadata.annotations.deployment\\.kubernetes\\.io/revision
kubectl describe rs -l app=web | grep -E '^(Selector|Controlled By|Replicas|Pods Status|Annotations):' | sort
kubectl apply -f workloads.yaml
kubectl rollout status sts/db --timeout=30s | tail -n 1
kubectl rollout status ds/log --timeout=30s | tail -n 1
kubectl wait job/once --for=condition=Complete --timeout=30s
kubectl get sts,ds,job,cronjob,pdb
kubectl describe sts db | grep -v '^ *Normal'
kubectl describe ds log | grep -v '^ *Normal'
kubectl describe job once | grep -v '^ *Normal' | grep -v 'Duration'
kubectl describe cronjob nightly
kubectl describe pdb db | sed '/^Events/,$d'
kubectl describe svc db
kubectl describe pod db-0 | grep -E '^(Name|Namespace|Status|Controlled By|QoS Class|Conditions|  (Ready|Initialized|PodScheduled|ContainersReady)):?' 
kubectl describe pod db-0 | sed -n '/^Events/,$p' | awk '{print $1, $2, $4}' | sed 's/node-[12]/NODE/' | sort
kubectl get pods -l app=db -o name
kubectl get pods -l app=db --no-headers | awk '{print $1, $2, $3, $4}'
kubectl get events --field-selector involvedObject.name=db,involvedObject.kind=StatefulSet -o custom-columns=R:.reason,M:.message,T:.type --sort-by=.message
kubectl create job manual --from=cronjob/nightly
kubectl wait job/manual --for=condition=Complete --timeout=30s
kubectl set image ds/log log=log:2
kubectl rollout status ds/log --timeout=30s | tail -n 1
kubectl rollout history ds/log
kubectl rollout undo ds/log
kubectl rollout status ds/log --timeout=30s | tail -n 1
kubectl rollout history sts/db
kubectl rollout restart sts/db
kubectl rollout status sts/db --timeout=60s | tail -n 1
kubectl scale sts/db --replicas=1
kubectl wait pod/db-1 --for=delete --timeout=30s >/dev/null
kubectl get pods -l app=db -o name
kubectl top nodes
kubectl top pods
kubectl logs db-0 -c nothing --tail=1
kubectl logs nothing
kubectl cordon node-1
kubectl get nodes --no-headers | awk '{print $1, $2}'
sleep 2
kubectl describe node node-1 | grep -E '^(Name|Unschedulable|Taints|CreationTimestamp|Roles):'
kubectl drain node-1
kubectl drain node-1 --ignore-daemonsets --dry-run=server >/dev/null 2>&1; echo $?
kubectl drain node-1 --ignore-daemonsets --force --timeout=40s | grep -q evicted || kubectl get pods,nodes -A -o wide
kubectl get pods -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' --field-selector spec.nodeName=node-1 -l '!app'
kubectl uncordon node-1
kubectl uncordon node-1
kubectl taint node node-1 a=b:NoSchedule
kubectl taint node node-1 a=b:NoSchedule
kubectl taint node node-1 a-
kubectl run one --image=one:1 --restart=Never --labels=app=one
kubectl wait pod/one --for=condition=Ready --timeout=30s
kubectl get pod one -w --request-timeout=2s --no-headers | awk '{print $1, $2, $3}'
kubectl delete pod one --now
kubectl delete deploy web --cascade=orphan
kubectl get rs -l app=web --no-headers | wc -l
kubectl delete rs -l app=web --cascade=foreground --timeout=30s | sed 's/-[0-9a-f]*"/"/' | sort | uniq
kubectl get pods -l app=web
kubectl delete sts db --cascade=foreground --timeout=30s
kubectl get pods -l app=db
kubectl delete -f workloads.yaml --ignore-not-found
kubectl wait pod -l app=log --for=delete --timeout=30s >/dev/null
kubectl delete svc web --wait=false
kubectl get all
