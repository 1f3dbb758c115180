# Server-side apply, dry runs, validation and what is said of mistakes.
kubectl apply --server-side -f apply.yaml
kubectl apply --server-side -f apply.yaml
sed 's/a: "1"/a: "2"/' apply.yaml | kubectl apply --server-side --field-manager other -f -
sed 's/a: "1"/a: "2"/' apply.yaml | kubectl apply --server-side --field-manager other --force-conflicts -f -
kubectl get cm shared -o yaml --show-managed-fields
sed 's/a: "1", //' apply.yaml | kubectl apply --server-side -f -
kubectl get cm shared -o jsonpath='{.data}'
sed 's/b: "1"/b: "9"/' apply.yaml | kubectl apply --server-side --dry-run=server --force-conflicts -f -
sed 's/b: "1"/b: "9"/' apply.yaml | kubectl diff --server-side --force-conflicts -f -
sed 's/data:/dta:/' apply.yaml | kubectl apply -f -
sed 's/data:/dta:/' apply.yaml | kubectl apply --validate=warn -f -
sed 's/data:/dta:/' apply.yaml | kubectl create --validate=ignore -f -
sed 's/"1"/1/' apply.yaml | kubectl apply -f -
sed 's/name: shared/name: Shared/' apply.yaml | kubectl apply -f -
sed 's/ConfigMap/ConfgMap/' apply.yaml | kubectl apply -f -
sed 's/namespace: default/namespace: nowhere/' apply.yaml | kubectl apply -f -
kubectl create -f apply.yaml
kubectl replace -f apply.yaml
kubectl get cm shared -o jsonpath='{.data}'
kubectl delete -f apply.yaml
kubectl replace -f apply.yaml
