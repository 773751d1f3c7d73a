//! An entry of a map, or a record: known to be there in the block that it was found for.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::Marker;
use crate::layout::BpfType;
use crate::layout::Comm;
use crate::layout::Field;
use crate::layout::Scalar;
use crate::local::Local;
use crate::source::Source;
use crate::value::Operand;
use crate::value::Val;

/// A value of type `V` in a map.
#[derive(Debug)]
pub struct Entry<'s, V> {
    pointer: String,
    source: Rc<RefCell<Source>>,
    types: Marker<'s, V>,
}

impl<'s, V: BpfType> Entry<'s, V> {
    pub(crate) fn new(pointer: String, source: Rc<RefCell<Source>>) -> Self {
        Self {
            pointer,
            source,
            types: PhantomData,
        }
    }

    fn line(&self, text: &str) {
        self.source.borrow_mut().line(text);
    }

    /// What a field is now.
    pub fn get<T: Scalar>(&self, field: Field<V, T>) -> Val<'s, T> {
        let value = format!("{}->{}", self.pointer, field.name());
        Val::new(self.source.borrow_mut().declare::<T>(field.name(), &value))
    }

    /// Sets a field. Who else does so at the same moment may come first or last.
    pub fn set<T: Scalar>(&self, field: Field<V, T>, value: impl Operand<T>) {
        self.line(&format!(
            "{}->{} = {};",
            self.pointer,
            field.name(),
            value.text()
        ));
    }

    /// Sets a struct within it.
    pub fn set_struct<T: BpfType>(&self, field: Field<V, T>, value: &Local<'_, T>) {
        self.line(&format!(
            "{}->{} = {};",
            self.pointer,
            field.name(),
            value.name()
        ));
    }

    /// Sets a field to what one of another entry is.
    pub fn copy_from<T: BpfType, U: BpfType>(
        &self,
        field: Field<V, T>,
        other: &Entry<'_, U>,
        from: Field<U, T>,
    ) {
        let (to, from) = (field.name(), from.name());
        self.line(&format!(
            "__builtin_memcpy(&{}->{to}, &{}->{from}, sizeof({}->{to}));",
            self.pointer, other.pointer, self.pointer
        ));
    }

    /// Adds to a field; of those who do so at the same moment none is lost.
    pub fn add<T: Scalar>(&self, field: Field<V, T>, by: impl Operand<T>) {
        self.add_to(field.name(), &by.text());
    }

    /// Adds to one of an array. A place that it does not have is its last one.
    pub fn add_at<T: Scalar, const N: usize>(
        &self,
        field: Field<V, [T; N]>,
        at: &Val<'_, u32>,
        by: impl Operand<T>,
    ) {
        let slot = self.slot(at.code(), N);
        self.add_to(&format!("{}[{slot}]", field.name()), &by.text());
    }

    /// Counts a value in a histogram: slot 0 has 0 and 1, slot n what is below 2 to the
    /// power of n + 1, and the last one all that is above.
    pub fn count_log2<const N: usize>(&self, field: Field<V, [u64; N]>, value: &Val<'_, u64>) {
        self.source.borrow_mut().needs_log2 = true;
        let slot = self.slot(&format!("log2_slot({})", value.code()), N);
        self.add_to(&format!("{}[{slot}]", field.name()), "1");
    }

    /// A place in an array of so many, as a variable. Of 64 bits, and unknown to the
    /// compiler: else it is compared in one register and used from another, and the
    /// verifiers of Linux 5.10 and 6.1 do not see that these are the same.
    fn slot(&self, value: &str, len: usize) -> String {
        let mut source = self.source.borrow_mut();
        let slot = source.declare::<u64>("slot", value);
        source.line(&format!(
            "barrier_var({slot});\nif ({slot} >= {len})\n\t{slot} = {};",
            len - 1
        ));
        slot
    }

    /// The name of the task that is running.
    pub fn set_current_comm(&self, field: Field<V, Comm>) {
        let name = format!("{}->{}", self.pointer, field.name());
        self.line(&format!("bpf_get_current_comm({name}, sizeof({name}));"));
    }

    /// C's name for it, for [`Block::raw`](crate::Block::raw).
    pub fn raw(&self) -> &str {
        &self.pointer
    }

    fn add_to(&self, what: &str, by: &str) {
        self.line(&format!(
            "__sync_fetch_and_add(&{}->{what}, {by});",
            self.pointer
        ));
    }
}

impl<'s, V: Scalar> Entry<'s, V> {
    /// What it is now.
    pub fn value(&self) -> Val<'s, V> {
        let value = format!("*{}", self.pointer);
        Val::new(self.source.borrow_mut().declare::<V>("value", &value))
    }

    /// Sets it.
    pub fn set_value(&self, value: impl Operand<V>) {
        self.line(&format!("*{} = {};", self.pointer, value.text()));
    }

    /// Adds to it.
    pub fn add_value(&self, by: impl Operand<V>) {
        self.line(&format!(
            "__sync_fetch_and_add({}, {});",
            self.pointer,
            by.text()
        ));
    }
}
