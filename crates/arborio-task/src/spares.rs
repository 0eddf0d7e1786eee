//! Branches that are gone, kept for the next ones of their loop: a scope that follows
//! another one needs no memory for its branch, and counts no door.
//!
//! # Invariants
//! - K1: a branch that is kept is gone, and holds nothing that is a user's.
//! - K2: nobody but this list refers to the branches before the last one, and they have no
//!   parent. The last one may still be referred to by whoever has just left it, and keeps
//!   its parent until the next one comes: so of a long chain of parents nothing stays that
//!   is not in the tree.
//!
//! With `--cfg arborio_no_cell_cache` none are kept, so that a sanitizer sees every use
//! after free. Only the owner touches the list.

use std::{cell::RefCell, sync::Arc};

use crate::branch::Branch;

/// How many are kept: some 3 KiB of them.
const MOST: usize = 16;

const BYPASS: bool = cfg!(arborio_no_cell_cache);

/// See the head of this file.
pub(crate) struct Spares(RefCell<Vec<Arc<Branch>>>);

impl Spares {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// Keeps `branch`, which has just left the tree (K1), if there is room.
    pub(crate) fn keep(&self, branch: Arc<Branch>) {
        if BYPASS {
            return;
        }
        let mut kept = self.0.borrow_mut();
        let last = kept.last_mut();
        let unused = match last.map(Arc::get_mut) {
            None => None,
            Some(Some(last)) => last.take_parent(), // K2
            Some(None) => kept.pop(),
        };
        let surplus = if kept.len() < MOST {
            kept.push(branch);
            None
        } else {
            Some(branch)
        };
        drop(kept);
        Branch::drop_chain(unused);
        Branch::drop_chain(surplus);
    }

    /// One that nobody else refers to, below `parent`; gives `parent` back if there is none.
    pub(crate) fn take(
        &self,
        parent: Option<Arc<Branch>>,
    ) -> Result<Arc<Branch>, Option<Arc<Branch>>> {
        let mut kept = self.0.borrow_mut();
        while let Some(mut branch) = kept.pop() {
            if let Some(unused) = Arc::get_mut(&mut branch) {
                drop(kept);
                unused.begin_again(parent);
                return Ok(branch);
            }
        }
        Err(parent)
    }

    /// The loop has ended: none are kept any more.
    pub(crate) fn clear(&self) {
        drop(self.0.take());
    }
}
