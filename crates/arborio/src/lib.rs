//! An async runtime in which concurrency has a shape
