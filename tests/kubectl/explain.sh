# What the documents of OpenAPI say of kinds, as people read it.
kubectl explain pods
kubectl explain pod.spec.containers.resources
kubectl explain pods.spec.containers.livenessProbe --recursive
kubectl explain statefulset.spec
kubectl explain sts.spec.updateStrategy.rollingUpdate.maxUnavailable
kubectl explain deployments.spec.replicas
kubectl explain services.spec.type
kubectl explain configmap.data
kubectl explain secret.stringData
kubectl explain pvc.spec.resources.requests
kubectl explain crd.spec.versions.schema.openAPIV3Schema
kubectl explain hpa --api-version=autoscaling/v1
kubectl explain cronjob --recursive
kubectl explain networkpolicy.spec.ingress
kubectl explain event --api-version=events.k8s.io/v1
kubectl explain role.rules --output=plaintext-openapiv2
kubectl explain pods.spec.nothing
kubectl explain nothing
kubectl apply -f custom.yaml
kubectl wait crd/ships.sea.example.org --for=condition=Established --timeout=10s
sleep 2
kubectl explain ships
kubectl explain ships --recursive
kubectl explain ship.spec.crew
kubectl explain ship.metadata
kubectl create -f nothing.yaml
kubectl create cm a --from-literal=a=b --dry-run=client -o yaml | sed 's/^data/extra/' | kubectl apply -f -
kubectl get --raw /openapi/v3/apis/nothing/v1
kubectl api-versions
kubectl api-resources --sort-by=name
kubectl api-resources --namespaced=false --verbs=list -o name
kubectl api-resources --categories=all -o wide
