//! The names of pods, proven with those who make pods: a real containerd with
//! its CRI, runc and CNI plugins, as on a node, but everything in namespaces and
//! folders of the test. Pods are made through the CRI as the kubelet makes them,
//! and `kerno watch` and `kerno doctor` must say whose each query is.

#![allow(
    dead_code,
    reason = "the harness of tests/e2e has more than is used here"
)]

#[path = "../e2e/ask.rs"]
mod ask;
#[path = "../e2e/cgroup.rs"]
mod cgroup;
#[path = "../e2e/doctor.rs"]
mod doctor;
#[path = "../e2e/message.rs"]
mod message;
#[path = "../e2e/place.rs"]
mod place;
#[path = "../e2e/process.rs"]
mod process;
#[path = "../e2e/record.rs"]
mod record;
#[path = "../e2e/unbound.rs"]
mod unbound;
#[path = "../e2e/watch.rs"]
mod watch;

// The node and what the kubelet does on one.
mod cri;
mod image;
mod manifest;
mod messages;
mod node;
mod pod;
mod remains;

// The tests.
mod deployed;
mod endings;
mod findings;
mod names;
mod rights;
