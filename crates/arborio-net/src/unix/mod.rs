//! What is peculiar to Unix sockets: their addresses, the files that these
//! leave behind, who is at the other end, and queues that are full.

pub(crate) mod addrs;
pub(crate) mod backoff;
pub(crate) mod cred;
pub(crate) mod file;
