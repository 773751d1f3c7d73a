//! What a program keeps on its stack: variables and structs.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::Marker;
use crate::layout::BpfType;
use crate::layout::Field;
use crate::layout::Scalar;
use crate::source::Source;
use crate::value::Operand;
use crate::value::Val;

/// A variable, see [`Block::variable`](crate::Block::variable).
#[derive(Debug)]
pub struct Variable<'s, T> {
    name: String,
    source: Rc<RefCell<Source>>,
    types: Marker<'s, T>,
}

impl<'s, T: Scalar> Variable<'s, T> {
    pub(crate) fn new(name: String, source: Rc<RefCell<Source>>) -> Self {
        Self {
            name,
            source,
            types: PhantomData,
        }
    }

    /// What it is from now on.
    pub fn set(&self, value: impl Operand<T>) {
        let line = format!("{} = {};", self.name, value.text());
        self.source.borrow_mut().line(&line);
    }

    /// What it is where this is used.
    pub fn get(&self) -> Val<'s, T> {
        Val::new(self.name.clone())
    }
}

/// A struct on the stack, see [`Block::new_struct`](crate::Block::new_struct).
#[derive(Debug)]
pub struct Local<'s, S> {
    name: String,
    source: Rc<RefCell<Source>>,
    types: Marker<'s, S>,
}

impl<S: BpfType> Local<'_, S> {
    pub(crate) fn new(name: String, source: Rc<RefCell<Source>>) -> Self {
        Self {
            name,
            source,
            types: PhantomData,
        }
    }

    /// Sets a field.
    pub fn set<T: Scalar>(&self, field: Field<S, T>, value: impl Operand<T>) -> &Self {
        let line = format!("{}.{} = {};", self.name, field.name(), value.text());
        self.source.borrow_mut().line(&line);
        self
    }

    /// Sets a struct within it.
    pub fn set_struct<T: BpfType>(&self, field: Field<S, T>, value: &Local<'_, T>) -> &Self {
        let line = format!("{}.{} = {};", self.name, field.name(), value.name);
        self.source.borrow_mut().line(&line);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
