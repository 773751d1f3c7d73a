//! The counters of crates/counters against workloads that count themselves. Each test has
//! this process for itself: what it does is counted under it.

mod calls;
mod memory;
mod net;
mod place;
mod processes;
mod sched;

use kerno::counters::Running;
use kerno_counters::ALL;

use place::Alone;

#[test]
fn root_each_program_runs_on_this_kernel() {
    let _alone = Alone::here();
    for definition in ALL {
        let running = Running::start(definition, |_| true).expect(definition.name);
        assert!(running.is_active(), "{}", definition.name);
        let losses = running.losses().expect("they can be read");
        assert!(
            losses.iter().all(|(_, lost)| *lost == 0),
            "{}: {losses:?}",
            definition.name
        );
    }
}

#[test]
fn root_only_what_is_asked_for_is_attached() {
    let _alone = Alone::here();
    let of = |name: &str| *ALL.iter().find(|it| it.name == name).expect("a definition");
    let wants_faults = |it: &typed_bpf::Program| it.gives.contains(&"major_faults");
    let running = Running::start(of("mem"), wants_faults).expect("it runs");
    assert!(running.is_active());
    assert_eq!(running.missing(), []);
    let some = running.map_octets();
    let running = Running::start(of("mem"), |_| false).expect("it runs");
    assert!(!running.is_active());
    assert!(running.read().expect("there is nothing").is_empty());
    // Its constants and the counters of losses stay.
    assert!(running.map_octets() < 4096, "nobody uses a map");
    let all = place::start("mem").map_octets();
    assert!((1..all).contains(&some), "{some} of {all} octets");
}
