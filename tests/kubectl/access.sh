# Who may do what, quotas, limits and tokens.
kubectl auth whoami --as=alice --as-group=dev
kubectl auth can-i list pods
kubectl auth can-i list pods --as=alice
kubectl get pods --as=alice
kubectl create role reader --verb=get,list --resource=pods,configmaps
kubectl create rolebinding alice --role=reader --user=alice --group=dev
sleep 1
kubectl auth can-i list pods --as=alice
kubectl auth can-i list pods --as=bob --as-group=dev
kubectl auth can-i create pods --as=alice
kubectl auth can-i get /metrics --as=alice
kubectl auth can-i --list --as=alice | sort
kubectl get pods --as=alice
kubectl delete pod a --as=alice
kubectl get cm,secret --as=alice
kubectl create role more --verb='*' --resource=secrets --as=alice
kubectl create clusterrolebinding all --clusterrole=cluster-admin --user=alice --as=alice
kubectl describe role reader
kubectl describe rolebinding alice
kubectl get role,rolebinding
kubectl describe clusterrole system:basic-user
kubectl create sa builder
kubectl create token builder | cut -c1-3
kubectl create token builder --duration=5s
kubectl create token nobody
kubectl create quota small --hard=configmaps=1,pods=0
kubectl get quota small -o jsonpath='{.spec.hard}'
kubectl patch quota small --subresource=status --type=merge -p '{"status":{"hard":{"configmaps":"1"},"used":{"configmaps":"1"}}}'
sleep 1
kubectl create cm over
kubectl describe quota small
kubectl delete quota small
kubectl delete role reader
kubectl delete rolebinding alice
