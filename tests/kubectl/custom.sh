# A custom resource: its definition, its columns, its checks, its scale.
kubectl apply -f custom.yaml
kubectl wait crd/ships.sea.example.org --for=condition=Established --timeout=10s
kubectl api-resources --api-group=sea.example.org
kubectl apply -f ship.yaml
kubectl get ships
kubectl get sh -o wide
kubectl get ship one -o yaml --show-managed-fields
kubectl explain ship.spec
kubectl explain ship.spec.port
sed 's/oslo/Oslo/' ship.yaml | kubectl apply -f -
sed 's/oslo/nowhere/' ship.yaml | kubectl apply -f -
sed 's/port: oslo/crew: 3/' ship.yaml | kubectl apply -f -
sed 's/port: oslo/port: oslo, crew: 30/' ship.yaml | kubectl apply -f -
sed 's/port: oslo/port: oslo, sails: 3/' ship.yaml | kubectl apply -f -
kubectl scale ship one --replicas=4
kubectl get ship one -o jsonpath='{.spec.crew}'
kubectl patch ship one --type=merge -p '{"spec":{"port":"rome"}}'
kubectl patch ship one -p '{"spec":{"port":"rome"}}'
kubectl patch ship one --subresource=status --type=merge -p '{"status":{"crew":4}}'
kubectl get ship one --subresource=status -o jsonpath='{.status.crew} {.metadata.generation}'
kubectl get all
kubectl delete ship one
kubectl delete crd ships.sea.example.org
kubectl get ships
