//! Counters of the kernel beside DNS, each program one file: what it counts, for whom, and
//! where it hangs. `build.rs` of kerno generates their C from these definitions; with the
//! feature `read` the same types read what was counted.

pub mod cpu_sched;
pub mod disk;
pub mod figure;
pub mod kernel;
pub mod mem;
pub mod net;
pub mod owner;
pub mod proc;
#[cfg(feature = "read")]
pub mod read;
pub mod syscall;

use typed_bpf::Module;

pub use figure::Figure;
pub use figure::Figures;
pub use owner::Owner;

/// One program (a module of the kernel's side), and how it is read.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name, as `--programs` takes it.
    pub name: &'static str,
    /// The kernel's side.
    pub module: fn() -> Module,
    /// The reader's side.
    #[cfg(feature = "read")]
    pub read: fn(&read::Look<'_>) -> libbpf_rs::Result<read::Readings>,
}

macro_rules! definitions {
    ($($name:ident),*) => {
        [$(Definition {
            name: stringify!($name),
            module: $name::module,
            #[cfg(feature = "read")]
            read: read::$name,
        }),*]
    };
}

/// All of them. A new one is a file, its function in `read.rs`, and its name here.
pub const ALL: [Definition; 6] = definitions!(mem, cpu_sched, net, syscall, proc, disk);
