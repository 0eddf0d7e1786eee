//! Readiness of file descriptors as futures: one edge-triggered mio poll, for any executor
