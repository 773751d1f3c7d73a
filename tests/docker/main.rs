//! Docker's embedded resolver, proven with Docker: a real dockerd with its own
//! containerd, runc and network, but everything in namespaces and folders of the
//! test. Containers ask 127.0.0.11, and `kerno watch` must tell every part of it.

#![allow(
    dead_code,
    reason = "the harness of tests/e2e and tests/pods has more than is used here"
)]

#[path = "../e2e/ask.rs"]
mod ask;
#[path = "../e2e/cgroup.rs"]
mod cgroup;
#[path = "../e2e/exchange.rs"]
mod exchange;
#[path = "../e2e/message.rs"]
mod message;
#[path = "../e2e/place.rs"]
mod place;
#[path = "../e2e/process.rs"]
mod process;
#[path = "../e2e/record.rs"]
mod record;
#[path = "../e2e/site.rs"]
mod site;
#[path = "../e2e/unbound.rs"]
mod unbound;
#[path = "../e2e/watch.rs"]
mod watch;

#[path = "../pods/image.rs"]
mod image;
#[path = "../pods/remains.rs"]
mod remains;

// The daemon and its containers.
mod daemon;

// The tests.
mod endings;
mod resolver;
