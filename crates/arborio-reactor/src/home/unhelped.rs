//! Where mio's selector is no epoll mio alone waits, and nobody can help.

use arborio_base::WakeBatch;

use super::Home;

impl Home {
    pub(crate) fn look(&self, _batch: &mut WakeBatch) -> usize {
        0
    }

    pub(crate) fn attend(&self, _other: &Self) -> bool {
        false
    }

    pub(crate) fn leave(&self, _other: &Self) {}
}
