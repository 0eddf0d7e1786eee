//! TCP for any executor, on Arborio's reactor
