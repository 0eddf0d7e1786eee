//! The request to end that is in force for a task: its own, or that of its node.
//!
//! Whoever asks all tasks of a node leaves the request with the node, once, and gives each
//! task a flag, which needs no allocation. A request of one task is in its side record,
//! where threads abroad may leave one at any time.
//!
//! # States
//! | BY_NODE | in the side record | in force                                              |
//! |---------|--------------------|-------------------------------------------------------|
//! | -       | nothing            | none                                                  |
//! | -       | a request          | that                                                  |
//! | set     | nothing, or asks   | the node's, which asks                                |
//! | set     | one that forces    | the node's, which forces: it came first, and is stronger now |
//!
//! # Invariants
//! - Q1: BY_NODE is set only beside ABORT, and only while the node has a request. That one
//!   never changes, and the task hangs on the node until it is DONE, when BY_NODE is cleared.
//! - Q2: BY_NODE comes only to a task without a side record: if there was an earlier request
//!   it would be there.
//!
//! The owner calls these functions. Another thread notes its request with
//! [`side::request_end`].

use arborio_base::drop_contained;

use crate::{
    cell::TaskRef,
    interrupt::Interrupt,
    life_cycle::parent_of,
    local::Flags,
    side::{self, Manner},
};

fn is_by_node(task: TaskRef) -> bool {
    task.local.seen().any(Flags::BY_NODE)
}

/// The request of the node that `task`, which has BY_NODE, hangs on.
fn of_node(task: TaskRef) -> Option<Interrupt> {
    parent_of(task).request()
}

/// Notes how `task` shall end. The first reason stays; force wins over asking.
pub(crate) fn note(task: TaskRef, end: Interrupt, manner: Manner) {
    if manner == Manner::Ask && is_by_node(task) {
        return drop_contained(end);
    }
    side::request_end(task, end, manner);
}

/// How `task` is asked to end.
pub(crate) fn request(task: TaskRef) -> Option<Interrupt> {
    if is_by_node(task) {
        of_node(task)
    } else {
        side::request(task)
    }
}

/// How the task that was asked to end is to be treated; `None` if the request was
/// swallowed meanwhile.
#[inline]
pub(crate) fn manner(task: TaskRef) -> Option<Manner> {
    let of_node = is_by_node(task).then_some(Manner::Ask);
    if side::has_record(task) {
        side::manner(task).or(of_node)
    } else {
        of_node
    }
}

/// Takes the request to end.
pub(crate) fn take(task: TaskRef) -> Option<Interrupt> {
    let own = side::take_request(task);
    if !is_by_node(task) {
        return own;
    }
    let first = of_node(task);
    task.local.clear(Flags::BY_NODE);
    drop_contained(own);
    first
}

/// All who were asked have swallowed the request, unless it forces. A request that comes
/// from now on is a new one.
pub(crate) fn swallow(task: TaskRef) {
    if is_by_node(task) && manner(task) == Some(Manner::Ask) {
        task.local.clear(Flags::BY_NODE);
        return side::swallow_node_request(task);
    }
    side::swallow_request(task);
}

/// The request was swallowed, and that has been seen; whether there is a new one.
pub(crate) fn is_asked_anew(task: TaskRef) -> bool {
    task.local.clear(Flags::BY_NODE); // it was swallowed outside of the tree
    side::is_asked_anew(task)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{future::pending, ptr, sync::Arc};

    use super::*;
    use crate::{NoNotify, SpawnOptions, Tasks, node::Node};

    /// Has `look` see a task that its node has asked to end with a time-out.
    fn asked_by_node(look: impl FnOnce(TaskRef)) {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let handle = (tasks.submitter()).spawn(pending::<()>(), SpawnOptions::new());
        let task = handle.reference().expect("its outcome was not taken");
        let node = Node::new();
        assert!(node.leave_request(Interrupt::TimedOut).is_none());
        task.parent.set(&node);
        task.local.set(Flags::BY_NODE);
        look(task);
        task.local.clear(Flags::BY_NODE);
        task.parent.set(ptr::null());
    }

    #[test]
    fn the_request_of_the_node_comes_first_and_another_may_only_make_it_stronger() {
        asked_by_node(|task| {
            assert_eq!(manner(task), Some(Manner::Ask));
            note(task, Interrupt::Stopped, Manner::Ask);
            assert!(side::request(task).is_none());
            note(task, Interrupt::Stopped, Manner::Force);
            assert!(side::request(task).is_some());
            assert_eq!(manner(task), Some(Manner::Force));
            assert!(matches!(request(task), Some(Interrupt::TimedOut)));
            assert!(matches!(take(task), Some(Interrupt::TimedOut)));
            assert!(request(task).is_none() && manner(task).is_none());
        });
    }

    #[test]
    fn the_request_of_the_node_is_swallowed_unless_somebody_forces() {
        asked_by_node(|task| {
            swallow(task);
            assert!(request(task).is_none());
            side::request_end(task, Interrupt::Stopped, Manner::Ask);
            assert!(is_asked_anew(task), "it came afterwards");
            swallow(task);
            assert!(!is_asked_anew(task));
        });
        asked_by_node(|task| {
            note(task, Interrupt::Stopped, Manner::Force);
            swallow(task);
            assert!(is_by_node(task), "what forces is not swallowed");
            assert_eq!(manner(task), Some(Manner::Force));
            assert!(is_asked_anew(task) && !is_by_node(task));
        });
    }
}
