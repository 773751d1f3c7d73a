//! Small BPF programs from one typed Rust definition.
//!
//! A counter in the kernel is usually written twice: a struct and a map in C, and what
//! reads them elsewhere, with offsets that somebody keeps in step. Here one definition
//! generates the C, and its types are the very ones that the reader gets. Rust's compiler
//! checks what would otherwise be found at run time, or never:
//!
//! - a struct that C would pad, keys and values of another type, fields that are not
//!   there;
//! - an entry of a map outside the block where it is known to be there;
//! - a helper that a program of this type may not call.
//!
//! ```
//! use typed_bpf::*;
//!
//! tracepoint_fields! {
//!     /// include/trace/events/sched.h
//!     pub struct Exec("sched/sched_process_exec", "trace_event_raw_sched_process_exec") {
//!         pid: i32,
//!     }
//! }
//!
//! /// Programs started, by control group.
//! pub const STARTED: Hash<u64, u64> = Hash::new("started", 1024);
//!
//! pub fn module() -> Module {
//!     let mut m = Module::new("started", "Programs that were started.");
//!     m.tracepoint::<Exec>(|b, _| {
//!         let group = b.current_cgroup_id();
//!         STARTED.entry(b, &group, |_, it| it.add_value(1));
//!     });
//!     m
//! }
//!
//! let c = module().generate().expect("it needs little stack");
//! assert!(c.contains("SEC(\"tracepoint/sched/sched_process_exec\")"));
//! ```
//!
//! `generate()` belongs into a build script, which compiles the text with clang and
//! libbpf-cargo. With the feature `load`, `load::Loaded` attaches the programs whose
//! hooks the running kernel has, says which ones it lacks, and reads the maps:
//! `STARTED.read(&loaded)`.

mod block;
mod entry;
mod hook;
#[cfg(feature = "load")]
mod host_hooks;
#[doc(hidden)]
pub mod kernel;
#[doc(hidden)]
pub mod layout;
#[cfg(feature = "load")]
pub mod load;
mod local;
mod map;
mod module;
#[cfg(feature = "load")]
mod perf;
mod prelude_text;
#[cfg(feature = "load")]
mod read;
#[doc(hidden)]
pub mod source;
mod value;

pub use block::Block;
pub use entry::Entry;
pub use hook::Argument;
pub use hook::Arguments;
pub use hook::Context;
pub use hook::Fentry;
pub use hook::Fields;
pub use hook::Kind;
pub use hook::Kprobe;
pub use hook::Kretprobe;
pub use hook::OnFunction;
pub use hook::PerfEvent;
pub use hook::RawTracepoint;
pub use hook::TpBtf;
pub use hook::Tracepoint;
pub use hook::WithArguments;
pub use hook::WithBtf;
pub use kernel::KernelType;
pub use kernel::Path;
pub use kernel::Ptr;
pub use layout::BpfType;
pub use layout::CType;
pub use layout::Comm;
pub use layout::Field;
pub use layout::Scalar;
pub use local::Local;
pub use local::Variable;
pub use map::Array;
pub use map::Hash;
pub use map::Indexed;
pub use map::Key;
pub use map::Keyed;
pub use map::LruHash;
pub use map::Map;
pub use map::MapKind;
pub use map::PerCpuArray;
pub use map::PerCpuHash;
pub use map::RingBuffer;
pub use module::Error;
pub use module::Event;
pub use module::Module;
pub use module::Program;
pub use module::STACK_MAX;
pub use value::Operand;
pub use value::Val;

/// What a type is only named after, and how long it is known.
type Marker<'s, T> = std::marker::PhantomData<(&'s (), fn() -> T)>;
