//! Tests under full load, in a program of their own: cargo runs one test program
//! after another, so no other test loses records because of this one.

#![allow(
    dead_code,
    reason = "the harness of tests/e2e has more than is used here"
)]

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
#[path = "../e2e/unbound.rs"]
mod unbound;

mod exactness;
mod race;
mod refused;

/// One at a time: each wants the whole machine.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
