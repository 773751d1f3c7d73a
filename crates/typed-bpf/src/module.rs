//! A module: programs that belong together, with their maps, as one C file.

use std::cell::Ref;
use std::cell::RefCell;
use std::fmt;
use std::fmt::Write as _;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::block::Block;
use crate::hook::Arguments;
use crate::hook::Context;
use crate::hook::Fentry;
use crate::hook::Fields;
use crate::hook::Kind;
use crate::hook::Kprobe;
use crate::hook::Kretprobe;
use crate::hook::PerfEvent;
use crate::hook::RawTracepoint;
use crate::hook::TpBtf;
use crate::hook::Tracepoint;
use crate::hook::WithArguments;
#[cfg(feature = "load")]
use crate::map::PerCpuArray;
use crate::prelude_text as text;
use crate::source::Source;

/// Octets that the variables of a program may take (MAX_BPF_STACK, include/linux/filter.h).
pub const STACK_MAX: usize = 512;

/// The map that counts what found no room in the others, in the order of
/// [`Module::losses`].
pub(crate) const LOSSES: &str = "losses";

/// One program of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its function in C.
    pub name: String,
    /// What its section begins with: its type.
    pub kind: &'static str,
    /// What it hangs on: a tracepoint or a function.
    pub target: String,
    /// The counters that need it.
    pub gives: Vec<&'static str>,
    /// Of the programs that have the same first number, the one with the lowest second
    /// number is used whose hook the kernel has.
    pub choice: Option<(usize, usize)>,
    /// For a program on a performance counter: which event.
    pub event: Option<Event>,
    /// A type that the kernel must have, and what it is for.
    pub needs: Option<(&'static str, &'static str)>,
    /// The maps that it uses.
    pub(crate) maps: Vec<&'static str>,
    octets_of_stack: usize,
}

impl Program {
    /// Says which counters need this program.
    pub fn gives(&mut self, counters: &[&'static str]) -> &mut Self {
        self.gives.extend(counters);
        self
    }

    /// Says that it is of no use on a kernel that has no type of this name, and why.
    pub fn needs_type(&mut self, name: &'static str, why: &'static str) -> &mut Self {
        self.needs = Some((name, why));
        self
    }
}

/// An event of the kernel's own performance counters; each one runs the program
/// (include/uapi/linux/perf_event.h, `enum perf_sw_ids`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `PERF_COUNT_SW_PAGE_FAULTS_MAJ`: a page fault that had to wait for a disk.
    MajorPageFault,
    /// `PERF_COUNT_SW_PAGE_FAULTS_MIN`: one that had not.
    MinorPageFault,
    /// `PERF_COUNT_SW_CPU_MIGRATIONS`: a thread goes on on another CPU.
    CpuMigration,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::MajorPageFault => "major_page_fault",
            Self::MinorPageFault => "minor_page_fault",
            Self::CpuMigration => "cpu_migration",
        }
    }
}

/// Why a module cannot be generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The variables of the program may take more stack than there is.
    Stack {
        /// Which one.
        program: String,
        /// What they take at most.
        octets: usize,
    },
    /// Something is asked of a program that its hook does not allow.
    Refused {
        /// Which one.
        program: String,
        /// What, and why.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack { program, octets } => write!(
                f,
                "the variables of {program} may take {octets} octets of stack; a program has {STACK_MAX}"
            ),
            Self::Refused { program, reason } => write!(f, "{program}: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// Programs and maps that make one BPF object.
#[derive(Debug)]
pub struct Module {
    name: &'static str,
    doc: &'static str,
    source: Rc<RefCell<Source>>,
    preamble: String,
    functions: String,
    postamble: String,
    programs: Vec<Program>,
    choices: usize,
    choice: Option<(usize, usize)>,
    errors: Vec<Error>,
    needs_registers: bool,
    needs_raw_arguments: bool,
}

impl Module {
    /// An empty one. `doc` says what it is for; it becomes the comment of the C file.
    pub fn new(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            source: Rc::default(),
            preamble: String::new(),
            functions: String::new(),
            postamble: String::new(),
            programs: Vec::new(),
            choices: 0,
            choice: None,
            errors: Vec::new(),
            needs_registers: false,
            needs_raw_arguments: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its programs, in their order.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The maps whose losses are counted, in the order of their counters.
    pub fn losses(&self) -> Vec<&'static str> {
        self.source.borrow().lossy.clone()
    }

    #[cfg(feature = "load")]
    pub(crate) fn maps(&self) -> Vec<&'static str> {
        self.source.borrow().map_names()
    }

    /// On a tracepoint, with arguments whose types the kernel knows.
    pub fn tp_btf<H: Arguments>(
        &mut self,
        body: impl for<'s> FnOnce(&mut Block<'s, TpBtf>, Context<'s, H, TpBtf>),
    ) -> &mut Program {
        self.with_arguments(H::TARGET, body)
    }

    /// On a tracepoint, with arguments as numbers.
    pub fn raw_tracepoint<H: Arguments>(
        &mut self,
        body: impl for<'s> FnOnce(&mut Block<'s, RawTracepoint>, Context<'s, H, RawTracepoint>),
    ) -> &mut Program {
        self.needs_raw_arguments = true;
        self.with_arguments(H::TARGET, body)
    }

    /// On the entry of a function, with arguments whose types the kernel knows.
    pub fn fentry<H: Arguments>(
        &mut self,
        body: impl for<'s> FnOnce(&mut Block<'s, Fentry>, Context<'s, H, Fentry>),
    ) -> &mut Program {
        self.with_arguments(H::TARGET, body)
    }

    /// On the entry of a function.
    pub fn kprobe<H: Arguments>(
        &mut self,
        body: impl for<'s> FnOnce(&mut Block<'s, Kprobe>, Context<'s, H, Kprobe>),
    ) -> &mut Program {
        self.needs_registers = true;
        self.with_arguments(H::TARGET, body)
    }

    /// On the return of a function.
    pub fn kretprobe<H: Arguments>(
        &mut self,
        body: impl for<'s> FnOnce(&mut Block<'s, Kretprobe>, Context<'s, H, Kretprobe>),
    ) -> &mut Program {
        self.needs_registers = true;
        self.add::<H, Kretprobe>(H::TARGET, Kretprobe::CONTEXT, None, body)
    }

    /// On a tracepoint, with its fields by name.
    pub fn tracepoint<H: Fields>(
        &mut self,
        body: impl for<'s> FnOnce(&mut Block<'s, Tracepoint>, Context<'s, H, Tracepoint>),
    ) -> &mut Program {
        self.tracepoint_on::<H>(H::TARGET, body)
    }

    /// The same for another tracepoint of the same class: `syscalls/sys_enter_connect`
    /// and its many sisters have their fields alike.
    pub fn tracepoint_on<H: Fields>(
        &mut self,
        target: &str,
        body: impl for<'s> FnOnce(&mut Block<'s, Tracepoint>, Context<'s, H, Tracepoint>),
    ) -> &mut Program {
        H::define(&mut self.source.borrow_mut().definitions);
        let context = format!("struct {} *ctx", H::STRUCT);
        self.add::<H, Tracepoint>(target, &context, None, body)
    }

    /// On an event of the performance counters, whoever it happens to.
    pub fn perf_event(
        &mut self,
        event: Event,
        body: impl for<'s> FnOnce(&mut Block<'s, PerfEvent>),
    ) -> &mut Program {
        let body = |b: &mut Block<'_, PerfEvent>, _: Context<'_, (), PerfEvent>| body(b);
        self.add::<(), PerfEvent>(event.name(), PerfEvent::CONTEXT, Some(event), body)
    }

    /// Only one of several ways to count the same is used: the first whose hooks the
    /// kernel has.
    pub fn first_of(&mut self, ways: &[&dyn Fn(&mut Self)]) {
        let number = self.choices;
        self.choices += 1;
        for (rank, way) in ways.iter().enumerate() {
            self.choice = Some((number, rank));
            way(self);
        }
        self.choice = None;
    }

    /// C that stands before the programs.
    pub fn preamble(&mut self, text: &str) {
        self.preamble.push_str(text);
        self.preamble.push('\n');
    }

    /// C that stands behind the programs.
    pub fn postamble(&mut self, text: &str) {
        self.postamble.push_str(text);
        self.postamble.push('\n');
    }

    fn with_arguments<H: Arguments, K: WithArguments>(
        &mut self,
        target: &str,
        body: impl for<'s> FnOnce(&mut Block<'s, K>, Context<'s, H, K>),
    ) -> &mut Program {
        self.add::<H, K>(target, K::CONTEXT, None, body)
    }

    fn add<H, K: Kind>(
        &mut self,
        target: &str,
        context: &str,
        event: Option<Event>,
        body: impl for<'s> FnOnce(&mut Block<'s, K>, Context<'s, H, K>),
    ) -> &mut Program {
        self.source.borrow_mut().begin();
        body(
            &mut Block::new(Rc::clone(&self.source)),
            Context {
                source: Rc::clone(&self.source),
                types: PhantomData,
            },
        );
        let name = self.function_name(K::SECTION, target);
        let mut source = self.source.borrow_mut();
        let (body, octets) = (source.end(), source.stack());
        let maps = source.uses().to_vec();
        if octets > STACK_MAX {
            self.errors.push(Error::Stack {
                program: name.clone(),
                octets,
            });
        }
        if let Some(reason) = source.refused.take() {
            self.errors.push(Error::Refused {
                program: name.clone(),
                reason,
            });
        }
        drop(source);
        let section = match event {
            Some(_) => K::SECTION.to_owned(),
            None => format!("{}/{target}", K::SECTION),
        };
        let unused = if body.contains("ctx") {
            ""
        } else {
            "\t(void)ctx;\n"
        };
        let _ = writeln!(
            self.functions,
            "SEC(\"{section}\")\nint {name}({context})\n{{\n{unused}{body}\treturn 0;\n}}\n"
        );
        self.programs.push(Program {
            name,
            kind: K::SECTION,
            target: target.to_owned(),
            gives: Vec::new(),
            choice: self.choice,
            event,
            needs: None,
            maps,
            octets_of_stack: octets,
        });
        let last = self.programs.len() - 1;
        &mut self.programs[last]
    }

    /// After what it hangs on; after its type, too, if another one has that name.
    fn function_name(&self, kind: &str, target: &str) -> String {
        let base = target.rsplit('/').next().unwrap_or(target);
        let is_taken = |name: &str| self.programs.iter().any(|it| it.name == name);
        let mut name = format!("on_{base}");
        if is_taken(&name) {
            name = format!("{kind}_{base}");
        }
        let first = name.clone();
        let mut number = 2;
        while is_taken(&name) {
            name = format!("{first}_{number}");
            number += 1;
        }
        name
    }

    /// The C file.
    ///
    /// # Errors
    ///
    /// If a program needs more stack than there is, or asks for what its hook does not
    /// allow.
    pub fn generate(&self) -> Result<String, Error> {
        if let Some(error) = self.errors.first() {
            return Err(error.clone());
        }
        let source: Ref<'_, Source> = self.source.borrow();
        let mut c = text::head(self.name, self.doc);
        c.push_str(text::TYPES);
        if self.needs_registers {
            c.push_str(text::REGISTERS);
        }
        c.push_str(text::INCLUDES);
        if self.needs_registers {
            c.push_str(text::INCLUDE_TRACING);
        }
        c.push('\n');
        if self.needs_raw_arguments {
            c.push_str(text::RAW_ARGUMENTS);
        }
        c.push_str(source.definitions.text());
        c.push_str(&source.maps_text());
        if !source.lossy.is_empty() {
            c.push_str(&text::losses(LOSSES, source.lossy.len()));
        }
        if source.needs_log2 {
            c.push_str(text::LOG2);
        }
        for more in [&self.preamble, &self.functions, &self.postamble] {
            c.push_str(more);
        }
        c.push_str(text::LICENSE);
        Ok(c)
    }

    /// The most stack that the variables of a program may take.
    pub fn stack(&self, program: &Program) -> usize {
        program.octets_of_stack
    }
}

/// Its reader: counters in the order of [`Module::losses`].
#[cfg(feature = "load")]
pub(crate) fn losses_map(entries: usize) -> PerCpuArray<u64> {
    PerCpuArray::new(LOSSES, entries as u32)
}
