//! The event loop: a strict FIFO of tasks on one thread, fed from any thread
