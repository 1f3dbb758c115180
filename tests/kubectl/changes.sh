# Objects made, edited, labelled and compared by every command that does so.
kubectl create namespace work
kubectl create configmap settings --from-literal=colour=red --from-literal=size=1 -n work
kubectl create configmap files --from-file=apply.yaml --from-file=named=ship.yaml -n work
kubectl create configmap settings -n work
kubectl create secret generic keys --from-literal=a=b -n work
kubectl create secret tls cert --cert=nothing.pem --key=nothing.pem -n work
kubectl create secret docker-registry pull --docker-server=reg --docker-username=u --docker-password=p -n work -o jsonpath='{.type} {.data}'
kubectl create service nodeport web --tcp=80:8080 -n work --dry-run=server -o jsonpath='{.spec.type} {.spec.ports[0].targetPort}'
kubectl create service loadbalancer lb --tcp=80:8080 -n work
kubectl create service externalname ext --external-name=example.com -n work
kubectl create ingress web --rule='example.com/*=web:80' -n work -o jsonpath='{.spec}'
kubectl create poddisruptionbudget web --selector=app=web --min-available=50% -n work
kubectl create priorityclass high --value=1000 --description='for what matters'
kubectl create clusterrole lister --verb=list --resource=pods --aggregation-rule=a=b
kubectl create clusterrole lister --verb=list --resource=pods,nodes
kubectl create clusterrolebinding lister --clusterrole=lister --user=alice --serviceaccount=work:default
kubectl create serviceaccount builder -n work
kubectl create quota small --hard=configmaps=20 --scopes=BestEffort -n work
kubectl create quota small --hard=configmaps=20,pods=3 -n work
kubectl create cronjob often --image=often:1 --schedule='*/5 * * * *' -n work
kubectl create cronjob never --image=never:1 --schedule='never' -n work
kubectl create job once --image=once:1 -n work -o jsonpath='{.spec.template.spec.restartPolicy} {.spec.backoffLimit}'
kubectl create deployment web --image=web:1 --image=side:1 -n work -o jsonpath='{.spec.template.spec.containers[*].name}'
kubectl create token builder -n work --bound-object-kind=Pod
kubectl get all,cm,secret,sa,quota,ingress,pdb,cronjob -n work
kubectl get pc high -o wide
EDITOR='sed -i s/red/green/' kubectl edit cm settings -n work
kubectl get cm settings -n work -o jsonpath='{.data}'
EDITOR=true kubectl edit cm settings -n work
EDITOR='sed -i s/^kind:.*/kind:/' kubectl edit cm settings -n work | sed 's,/tmp/[^ "]*,FILE,g'
EDITOR='sed -i s/green/blue/' kubectl edit cm settings -n work --output-patch
EDITOR='sed -i s/replicas:.*/replicas:\ -1/' kubectl edit deploy web -n work | sed 's,/tmp/[^ "]*,FILE,g' | grep -v '^#'
EDITOR=true kubectl edit cm nothing -n work
kubectl label cm settings -n work tier=front app=web
kubectl label cm settings -n work tier=back
kubectl label cm settings -n work tier=back --overwrite --resource-version=1
kubectl label cm settings -n work tier-
kubectl label cm settings -n work tier-
kubectl label cm settings -n work 'bad key=1'
kubectl label cm settings -n work 'a=b c'
kubectl label cm --all -n work all=yes
kubectl label cm -l all=yes -n work --list | sort
kubectl annotate cm settings -n work note=one other=two
kubectl annotate cm settings -n work note=three
kubectl annotate cm settings -n work note- --dry-run=server
kubectl annotate cm settings -n work --list | sort
kubectl patch cm settings -n work -p '{"data":{"colour":null,"shape":"round"}}'
kubectl patch cm settings -n work -p '{"data":{"shape":"round"}}'
kubectl patch cm settings -n work -p '{"data":{"shape":1}}'
kubectl patch cm settings -n work -p 'nothing'
kubectl patch cm settings -n work --type=json -p '[{"op":"remove","path":"/data/none"}]'
kubectl patch deploy web -n work -p '{"spec":{"template":{"spec":{"containers":[{"name":"web","$patch":"delete"}]}}}}'
kubectl get deploy web -n work -o jsonpath='{.spec.template.spec.containers[*].name}'
kubectl patch deploy web -n work --subresource=scale --type=merge -p '{"spec":{"replicas":3}}'
kubectl set resources deploy web -n work --limits=cpu=1,memory=1Gi --requests=cpu=2
kubectl set resources deploy web -n work --limits=cpu=1,memory=1Gi
kubectl set serviceaccount deploy web builder -n work
kubectl set env deploy/web -n work --from=configmap/settings --prefix=S_ 2>&1 | sort
kubectl set env deploy/web -n work --list | sort
kubectl set selector svc ext app=other -n work
kubectl set subject clusterrolebinding lister --user=bob
kubectl get clusterrolebinding lister -o jsonpath='{.subjects[*].name}'
kubectl autoscale deploy web --max=3 -n work
kubectl expose deploy web -n work
kubectl expose deploy web -n work --port=80 --name=seen --type=NodePort --dry-run=server -o jsonpath='{.spec.type} {.spec.selector}'
kubectl run one --image=one:1 -n work --port=80 --expose --env=A=b --labels=x=y
kubectl get svc one -n work -o jsonpath='{.spec.selector}'
kubectl run two --image=two:1 -n work --overrides='{"spec":{"nodeName":"none"}}' --dry-run=server -o jsonpath='{.spec.nodeName} {.spec.restartPolicy}'
kubectl get cm settings -n work -o yaml | sed 's/round/square/' | kubectl diff -f -
kubectl get cm settings -n work -o yaml | sed 's/round/square/' | kubectl replace -f -
kubectl get cm settings -n work -o yaml | sed 's/square/flat/; s/resourceVersion:.*/resourceVersion: "1"/' | kubectl replace -f -
kubectl get cm settings -n work -o yaml | kubectl replace --force -f -
kubectl get cm -n work -w --request-timeout=2s --output-watch-events -o name
kubectl get cm -n work -w --watch-only --request-timeout=1s
kubectl wait cm/settings -n work --for=jsonpath='{.data.shape}'=square --timeout=5s
kubectl wait cm/settings -n work --for=jsonpath='{.data.shape}'=flat --timeout=1s
kubectl wait cm/nothing -n work --for=delete --timeout=1s
kubectl wait cm/nothing -n work --for=create --timeout=1s
kubectl auth can-i --list -n work | sort
kubectl auth can-i --list -n work --as=bob | sort
kubectl auth can-i list nodes --as=bob
kubectl auth can-i get pods/log --as=bob
kubectl auth can-i use psp
kubectl auth reconcile -f access.yaml
kubectl auth reconcile -f access.yaml --dry-run=server
kubectl top pods -n work
kubectl delete cm files -n work --cascade=orphan --wait=false
kubectl get cm files -n work -o jsonpath='{.metadata.finalizers} {.metadata.deletionGracePeriodSeconds}'
kubectl delete cm,secret -l all=yes -n work
kubectl delete deploy/web svc/one -n work
kubectl delete deploy web -n work --cascade=foreground --wait=false
kubectl run target -n work --image=i:1 --restart=Never
kubectl debug target -n work --image=busybox:1 -c look --attach=false
kubectl get pod target -n work -o jsonpath='{.spec.ephemeralContainers[*].name} {.spec.ephemeralContainers[*].image}'
kubectl debug target -n work --image=busybox:1 -c look --attach=false
kubectl exec target -n work -- ls
kubectl logs target -n work -c nothing
kubectl patch pod target -n work --subresource=resize --type=strategic -p '{"spec":{"containers":[{"name":"nothing"}]}}'
kubectl get --raw '/api/v1/nodes/nothing?pretty=true'
kubectl delete pod one -n work --grace-period=0 --force
kubectl delete sa nothing -n work --ignore-not-found
kubectl delete quota --all -n work
kubectl delete pc high
kubectl delete clusterrole/lister clusterrolebinding/lister
kubectl api-versions
kubectl version
kubectl cluster-info
