//! Every kind of program and of map: the C as it was reviewed, and what it counts on the
//! running kernel. After a change `GOLDEN=write cargo test -p typed-bpf --test every`
//! writes the C anew, to be reviewed again.

mod definition;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use libbpf_cargo::SkeletonBuilder;
use typed_bpf::Error;
use typed_bpf::Kretprobe;
use typed_bpf::Module;
use typed_bpf::arguments;
use typed_bpf::bpf_struct;
use typed_bpf::load::Loaded;
use typed_bpf::load::Outcome;

use definition as every;

/// Children of this process are counted, and each test may start some.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_c_is_the_one_that_was_reviewed() {
    let _alone = alone();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/every/golden");
    for module in [every::module(), every::module_on_functions()] {
        let path = folder.join(format!("{}.bpf.c", module.name()));
        let c = module.generate().expect("it needs little stack");
        if std::env::var_os("GOLDEN").is_some_and(|it| it == "write") {
            fs::write(&path, &c).expect("a file");
        }
        assert_eq!(fs::read_to_string(&path).expect("a file"), c);
        assert!(!compiled(&module).is_empty());
    }
}

/// Compiles the module, in a folder of its own.
fn compiled(module: &Module) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let source: PathBuf = folder.path().join("every.bpf.c");
    fs::write(&source, module.generate().expect("it needs little stack")).expect("a file");
    let object = folder.path().join("every.bpf.o");
    SkeletonBuilder::new()
        .source(&source)
        .obj(&object)
        .clang_args(["-mcpu=v2", "-Wall", "-Wextra", "-Werror"])
        .build()
        .expect("clang takes it");
    fs::read(&object).expect("an object")
}

#[test]
fn root_every_map_counts_each_child() {
    let _alone = alone();
    const CHILDREN: u32 = 20;
    let module = every::module();
    let loaded = Loaded::start(&compiled(&module), &module, |_| true).expect("as root");
    let me = std::process::id();
    for _ in 0..CHILDREN {
        let done = Command::new("true").status().expect("it can be started");
        assert!(done.success());
    }
    let mine = |all: HashMap<u32, u64>| all.get(&me).copied().unwrap_or(0);
    let children = u64::from(CHILDREN);
    assert_eq!(
        mine(every::HASH.read(&loaded).expect("a hash map")),
        children
    );
    assert_eq!(
        mine(every::LRU.read(&loaded).expect("one that forgets")),
        children
    );
    assert_eq!(
        mine(every::PER_CPU.read(&loaded).expect("one for each CPU")),
        children
    );
    let slot = every::slot_of(me);
    assert!(every::ARRAY.values(&loaded).expect("an array")[slot] >= children);
    assert!(
        every::PER_CPU_ARRAY
            .values(&loaded)
            .expect("one for each CPU")[slot]
            >= children
    );
    let mut records = Vec::new();
    let malformed = every::RECORDS
        .take(&loaded, |it| records.push(it))
        .expect("a ring buffer");
    assert_eq!(malformed, 0);
    records.retain(|it| it.parent == me);
    assert_eq!(records.len() as u64, children);
    assert!(
        records.iter().all(|it| it.child != me && it.child != 0),
        "{records:?}"
    );
    let names: Vec<_> = loaded.losses().expect("the losses").into_iter().collect();
    assert!(names.iter().all(|(_, lost)| *lost == 0), "{names:?}");

    // A map of another module is none of this one.
    let error = every::TOO_SMALL
        .read(&loaded)
        .expect_err("it is not in it")
        .to_string();
    assert!(error.contains("too_small"), "{error}");

    // What is drained begins anew.
    assert_eq!(
        mine(every::HASH.drain(&loaded).expect("a hash map")),
        children
    );
    assert_eq!(mine(every::HASH.read(&loaded).expect("a hash map")), 0);

    // What this kernel lacks is named, and only that does not run.
    for state in loaded.states() {
        let (kind, target) = (state.program.kind, &state.program.target);
        match &state.outcome {
            Outcome::Attached => {}
            Outcome::Missing(why) => {
                assert!(
                    kind.starts_with("k") && why.contains(target.as_str()),
                    "{kind}: {why}"
                );
            }
            other => panic!("{kind}/{target}: {other:?}"),
        }
    }
}

#[test]
fn root_a_map_without_room_counts_what_it_lost() {
    let _alone = alone();
    let module = every::module_without_room();
    let loaded = Loaded::start(&compiled(&module), &module, |_| true).expect("as root");
    let before: u64 = loaded
        .losses()
        .expect("the losses")
        .iter()
        .map(|(_, lost)| lost)
        .sum();
    for _ in 0..3 {
        assert!(Command::new("true").status().expect("it starts").success());
    }
    let losses = loaded.losses().expect("the losses");
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].0, every::TOO_SMALL.name());
    // One entry fits; of three children at least two find no room.
    assert!(losses[0].1 >= before + 2, "{losses:?}");
    assert_eq!(every::TOO_SMALL.read(&loaded).expect("a hash map").len(), 1);
}

bpf_struct! {
    /// More than half of the stack.
    pub struct Large {
        /// Nothing.
        pub octets: [u64; 40],
    }
}

arguments! {
    /// A function with more arguments than there are registers for.
    pub struct Long("long_one") { a: u64, b: u64, c: u64, d: u64, e: u64, f: u64 }
}

#[test]
fn more_stack_than_there_is_is_refused() {
    let mut m = Module::new("large", "");
    m.tp_btf::<Long>(|b, _| {
        b.new_struct::<Large>("first");
    });
    assert!(m.generate().is_ok());
    m.tp_btf::<Long>(|b, _| {
        b.new_struct::<Large>("first");
        b.new_struct::<Large>("second");
    });
    let error = m.generate().expect_err("it takes 640 octets");
    assert!(
        matches!(&error, Error::Stack { octets: 640, .. }),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "the variables of tp_btf_long_one may take 640 octets of stack; a program has 512"
    );
}

#[test]
fn an_argument_that_is_in_no_register_is_refused() {
    let mut m = Module::new("long", "");
    m.kprobe::<Long>(|_, it| {
        it.get(Long::e);
    });
    assert!(m.generate().is_ok());
    m.kprobe::<Long>(|_, it| {
        it.get(Long::f);
    });
    let error = m.generate().expect_err("the sixth").to_string();
    assert!(
        error.starts_with("kprobe_long_one: f is not at hand"),
        "{error}"
    );
}

#[test]
fn names_of_programs_and_variables_differ() {
    let mut m = Module::new("twice", "");
    for _ in 0..3 {
        m.kretprobe::<Long>(|b, it: typed_bpf::Context<'_, Long, Kretprobe>| {
            let first = it.returned::<i32>();
            let second = it.returned::<i32>();
            b.leave_when(first.is(&second));
        });
    }
    let names: Vec<&str> = m.programs().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        ["on_long_one", "kretprobe_long_one", "kretprobe_long_one_2"]
    );
    let c = m.generate().expect("it needs little stack");
    assert!(c.contains("if (returned == returned_2)"), "{c}");
}
