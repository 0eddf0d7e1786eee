//! One heap task: its state words, wakers, join handle, tree node and the queues it can stand in
