//! The built-in controllers, one line each.

use crate::controller::Controller;
use crate::controller::attributes_class::AttributesClassController;
use crate::controller::cron_job::CronJobController;
use crate::controller::daemon_set::DaemonSetController;
use crate::controller::deployment::DeploymentController;
use crate::controller::disruption::DisruptionController;
use crate::controller::endpoint_slice::EndpointSliceController;
use crate::controller::endpoint_slice_mirroring::EndpointSliceMirroringController;
use crate::controller::endpoints::EndpointsController;
use crate::controller::garbage::GarbageCollector;
use crate::controller::job::JobController;
use crate::controller::namespace::NamespaceController;
use crate::controller::node_lifecycle::NodeLifecycleController;
use crate::controller::pod_gc::PodGarbageCollector;
use crate::controller::policy_status::PolicyStatusController;
use crate::controller::replica_set::ReplicaSetController;
use crate::controller::resource_quota::ResourceQuotaController;
use crate::controller::role_aggregation::RoleAggregation;
use crate::controller::service_cidr::ServiceCidrController;
use crate::controller::stateful_set::StatefulSetController;
use crate::controller::volume::VolumeController;

/// Every controller of a cluster's controller manager, fresh; `authority` is the certificate (PEM)
/// of the server's authority, which namespaces are told.
pub fn built_in(authority: &str) -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(StatefulSetController),
        Box::new(DeploymentController),
        Box::new(ReplicaSetController::of_replica_sets()),
        Box::new(ReplicaSetController::of_replication_controllers()),
        Box::new(GarbageCollector::default()),
        Box::new(JobController::default()),
        Box::new(DisruptionController::default()),
        Box::new(EndpointSliceController::default()),
        Box::new(EndpointSliceMirroringController::default()),
        Box::new(EndpointsController::default()),
        Box::new(NamespaceController::new(authority)),
        Box::new(NodeLifecycleController::default()),
        Box::new(PodGarbageCollector::default()),
        Box::new(VolumeController::default()),
        Box::new(AttributesClassController),
        Box::new(CronJobController),
        Box::new(DaemonSetController::default()),
        Box::new(RoleAggregation),
        Box::new(PolicyStatusController),
        Box::new(ResourceQuotaController::default()),
        Box::new(ServiceCidrController::default()),
    ]
}
