//! What went wrong in a scope, and where each error is.

use arborio_task::{Interrupt, Payload, Reason};

/// Why a scope ends without the value of its body.
pub(crate) enum Failure<E> {
    /// An error of the body or of a task.
    Error(E),
    /// A panic of a task, or of the body.
    Panic(Payload),
    /// Somebody cancelled it, with what its body is told.
    Cancelled(Interrupt),
}

/// Why a scope is failing, as its tasks are told.
pub(crate) fn told<E>(failure: &Failure<E>, failed: &Reason) -> Interrupt {
    match failure {
        Failure::Cancelled(interrupt) => match interrupt {
            Interrupt::Cancelled(reason) => Interrupt::Cancelled(reason.clone()),
            _ => Interrupt::Cancelled(failed.clone()),
        },
        Failure::Error(_) | Failure::Panic(_) => Interrupt::Cancelled(failed.clone()),
    }
}
