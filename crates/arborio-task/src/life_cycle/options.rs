//! What is said of a task when it is spawned.

use std::panic::Location;

use crate::{
    cell::Birth,
    hub::Hub,
    local::Flags,
    shared::SharedWord,
    side::{Name, Side},
};

/// How a task is spawned.
#[derive(Clone, Debug)]
pub struct SpawnOptions {
    pub(crate) name: Option<Name>,
    pub(crate) awaited: bool,
    pub(crate) observed: bool,
    pub(crate) roving: bool,
    pub(crate) spawned_at: &'static Location<'static>,
}

impl SpawnOptions {
    /// An unnamed task that its loop waits for, spawned where this is called.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().name("greeter").awaited(false);
    /// assert!(format!("{options:?}").contains("greeter"));
    /// ```
    #[track_caller]
    #[inline(always)]
    pub fn new() -> Self {
        Self {
            name: None,
            awaited: true,
            observed: false,
            roving: false,
            spawned_at: Location::caller(),
        }
    }

    /// Names the task.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().name(format!("worker {}", 7));
    /// assert!(format!("{options:?}").contains("worker 7"));
    /// ```
    pub fn name(mut self, name: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the loop waits for the task before it ends. One that is not
    /// awaited is dropped when every awaited task has ended.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().awaited(false);
    /// assert!(format!("{options:?}").contains("awaited: false"));
    /// ```
    pub fn awaited(mut self, awaited: bool) -> Self {
        self.awaited = awaited;
        self
    }

    /// Whether somebody will look at the outcome for sure: then a panic waits in the handle
    /// from the start, instead of going to the loop if nobody has polled the handle yet.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().observed(true);
    /// assert!(format!("{options:?}").contains("observed: true"));
    /// ```
    pub fn observed(mut self, observed: bool) -> Self {
        self.observed = observed;
        self
    }

    /// The task may move to another loop of its pool, before its first poll and between two polls, until
    /// something binds it to its loop: task-locals, a branch that it enters, a frame, a callback.
    ///
    /// Only where the future and its output are `Send`.
    #[inline(always)]
    pub(crate) fn roving(mut self) -> Self {
        self.roving = true;
        self
    }

    #[inline(always)]
    fn flags(&self) -> Flags {
        let mut flags = Flags::NONE;
        if !self.awaited {
            flags = flags.and(Flags::DAEMON);
        }
        if self.observed {
            flags = flags.and(Flags::OBSERVED);
        }
        if self.roving {
            flags = flags.and(Flags::ROVING);
        }
        flags
    }

    /// What a task on `hub` with these options is made of.
    #[inline(always)]
    pub(super) fn birth(
        self,
        hub: *const Hub,
        flags: Flags,
        shared: SharedWord,
        references: i64,
    ) -> Birth {
        Birth {
            hub,
            spawned_at: self.spawned_at,
            shared,
            flags: self.flags().and(flags),
            references,
            side: Side::for_name(self.name),
        }
    }
}

impl Default for SpawnOptions {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
