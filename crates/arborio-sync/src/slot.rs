//! A slot that is filled once, in each flavour: the standard library's.

use std::{cell, sync};

/// A slot that is filled once.
pub trait Slot<T>: Sized {
    /// An empty one. A constant, so that cells can be made at compile time.
    const EMPTY: Self;

    /// The value, if it is there.
    fn get(&self) -> Option<&T>;
    /// The same, of a slot that nobody else can reach.
    fn get_mut(&mut self) -> Option<&mut T>;
    /// Fills it, or gives the value back if it is full.
    fn fill(&self, value: T) -> Result<(), T>;
    /// Takes the value out.
    fn into_inner(self) -> Option<T>;
}

impl<T> Slot<T> for sync::OnceLock<T> {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "each use makes a slot of its own, which is what it is for"
    )]
    const EMPTY: Self = Self::new();

    #[inline(always)]
    fn get(&self) -> Option<&T> {
        self.get()
    }

    fn get_mut(&mut self) -> Option<&mut T> {
        self.get_mut()
    }

    fn fill(&self, value: T) -> Result<(), T> {
        self.set(value)
    }

    fn into_inner(self) -> Option<T> {
        self.into_inner()
    }
}

impl<T> Slot<T> for cell::OnceCell<T> {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "each use makes a slot of its own, which is what it is for"
    )]
    const EMPTY: Self = Self::new();

    #[inline(always)]
    fn get(&self) -> Option<&T> {
        self.get()
    }

    fn get_mut(&mut self) -> Option<&mut T> {
        self.get_mut()
    }

    fn fill(&self, value: T) -> Result<(), T> {
        self.set(value)
    }

    fn into_inner(self) -> Option<T> {
        self.into_inner()
    }
}
