//! The C text while it is written: definitions, maps, and the program at hand.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::layout::CType;
use crate::layout::Definitions;

/// Octets of stack that a scalar or a pointer takes at most.
const WORD: usize = 8;

/// Names that no variable may have: others of the file, and words of C that a field may be
/// called.
const RESERVED: [&str; 12] = [
    "ctx",
    "count_loss",
    "log2_slot",
    "LICENSE",
    "int",
    "long",
    "char",
    "short",
    "register",
    "default",
    "volatile",
    "signed",
];

/// All of a module, and the function that is being written.
#[derive(Debug, Default)]
pub struct Source {
    pub(crate) definitions: Definitions,
    /// By name, each once: its C text.
    maps: Vec<(&'static str, String)>,
    /// Maps that may have no room, each with a counter.
    pub(crate) lossy: Vec<&'static str>,
    pub(crate) needs_log2: bool,
    body: String,
    depth: usize,
    names: HashMap<String, u32>,
    /// Octets that the function's variables take at most.
    stack: usize,
    /// Maps that it uses.
    uses: Vec<&'static str>,
    /// The function at hand must not compile: why.
    pub(crate) refused: Option<String>,
}

impl Source {
    pub(crate) fn begin(&mut self) {
        self.body.clear();
        self.depth = 1;
        self.names.clear();
        let known = RESERVED.iter().map(|name| ((*name).to_owned(), 1));
        self.names.extend(known);
        self.stack = 0;
        self.uses.clear();
        self.refused = None;
    }

    /// The function's body.
    pub(crate) fn end(&mut self) -> String {
        std::mem::take(&mut self.body)
    }

    /// How much stack the function's variables may take.
    pub(crate) fn stack(&self) -> usize {
        self.stack
    }

    /// The maps that the function uses.
    pub(crate) fn uses(&self) -> &[&'static str] {
        &self.uses
    }

    /// All maps.
    #[cfg(feature = "load")]
    pub(crate) fn map_names(&self) -> Vec<&'static str> {
        self.maps.iter().map(|(name, _)| *name).collect()
    }

    pub(crate) fn line(&mut self, text: &str) {
        for line in text.lines() {
            let indent = if line.is_empty() { 0 } else { self.depth };
            let _ = writeln!(self.body, "{}{line}", "\t".repeat(indent));
        }
    }

    pub(crate) fn open(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
    }

    pub(crate) fn turn(&mut self, head: &str) {
        self.depth -= 1;
        self.line(&format!("}} {head} {{"));
        self.depth += 1;
    }

    pub(crate) fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    /// A name that no other variable of the function has.
    pub(crate) fn name(&mut self, like: &str) -> String {
        // Maps are called so.
        let like = like.trim_start_matches('_').trim_end_matches("_map");
        let seen = self.names.entry(like.to_owned()).or_insert(0);
        *seen += 1;
        match *seen {
            1 => like.to_owned(),
            more => self.name(&format!("{like}_{more}")),
        }
    }

    pub(crate) fn take_stack(&mut self, octets: usize) {
        self.stack += octets.next_multiple_of(WORD);
    }

    /// A new variable with this value; returns its name.
    pub(crate) fn declare<T: CType>(&mut self, like: &str, value: &str) -> String {
        let name = self.name(like);
        self.take_stack(WORD);
        self.line(&format!("{} = {value};", spaced(&T::declare(&name))));
        name
    }

    /// The same for a number that stands for something else.
    pub(crate) fn declare_cast<T: CType>(&mut self, like: &str, number: &str) -> String {
        let value = format!("({}){number}", type_name::<T>());
        self.declare::<T>(like, &value)
    }

    pub(crate) fn add_map(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        if !self.uses.contains(&name) {
            self.uses.push(name);
        }
        if !self.maps.iter().any(|(known, _)| *known == name) {
            self.maps.push((name, text()));
        }
    }

    /// Which counter tells how often the map had no room.
    pub(crate) fn loss_of(&mut self, map: &'static str) -> usize {
        let known = self.lossy.iter().position(|known| *known == map);
        known.unwrap_or_else(|| {
            self.lossy.push(map);
            self.lossy.len() - 1
        })
    }

    pub(crate) fn maps_text(&self) -> String {
        self.maps
            .iter()
            .map(|(_, text)| format!("{text}\n"))
            .collect()
    }
}

/// A type as C writes it without a name.
pub(crate) fn type_name<T: CType>() -> String {
    T::declare("").trim_end().to_owned()
}

fn spaced(declaration: &str) -> &str {
    declaration.trim()
}
