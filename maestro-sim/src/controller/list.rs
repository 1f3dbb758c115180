//! The built-in controllers, one line each.

use crate::controller::Controller;
use crate::controller::deployment::DeploymentController;
use crate::controller::garbage::GarbageCollector;
use crate::controller::replica_set::ReplicaSetController;
use crate::controller::stateful_set::StatefulSetController;

/// Every controller of a cluster's controller manager, fresh.
pub fn built_in() -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(StatefulSetController),
        Box::new(DeploymentController),
        Box::new(ReplicaSetController::default()),
        Box::new(GarbageCollector::default()),
    ]
}
