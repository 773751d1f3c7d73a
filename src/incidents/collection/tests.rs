use std::sync::Arc;

use super::*;
use crate::attempt::Identity;
use crate::sample;

#[test]
fn a_name_that_came_late_is_in_the_evidence() {
    let unnamed = Identity::of_cgroup(b"/kubepods/podu-1");
    let mut named = unnamed.clone();
    named.name_pod("shop", "web-1", "");
    let mut failed = sample::attempt(("curl", 1), "10.0.0.1:53", Outcome::Unanswered, 1);
    failed.workload = Some(Arc::new(unnamed));
    let mut incidents = Incidents::default();
    incidents.record(&failed, true);
    let mut known = IdentityTable::default();
    assert!(known.insert(Arc::new(named)));
    incidents.learn(&known);
    let evidence = incidents.close(HostSample::default(), Duration::ZERO, Vec::new());
    let process = evidence.tallies.processes.get(1).expect("a process");
    for workload in [&evidence.incidents[0].attempt.workload, &process.workload] {
        assert!(!workload.as_deref().expect("its own").lacks_names());
    }
}
