//! The table of hooks against the object.

use std::mem::MaybeUninit;

use libbpf_rs::skel::OpenSkel as _;

use super::super::hooks::HOOKS;
use super::super::load::open;
use crate::host::Host;

#[test]
fn each_program_of_the_object_has_its_place_in_the_table() {
    let mut object = MaybeUninit::uninit();
    let open = open(&mut object).expect("the object opens");
    let mut there: Vec<_> = open
        .open_object()
        .progs()
        .map(|program| program.name().to_string_lossy().into_owned())
        .collect();
    let mut known = HOOKS.map(|hook| hook.program).to_vec();
    there.sort_unstable();
    known.sort_unstable();
    assert_eq!(there, known);
}

#[test]
fn root_each_hook_is_for_a_signal_that_is_probed() {
    let signals = Host::probe().expect("needs root").signals();
    for hook in &HOOKS {
        for name in hook.signals {
            let probed = signals.iter().any(|signal| signal.name == *name);
            assert!(probed, "{name} of {}", hook.program);
        }
    }
    for signal in signals {
        let used = HOOKS.iter().any(|hook| hook.signals.contains(&signal.name));
        assert!(used, "{} is for no hook", signal.name);
    }
}
