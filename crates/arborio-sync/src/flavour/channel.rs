//! The sending ends that channels of one receiver and of many have in common.

pub use super::Flavour;
pub use crate::{
    channel::{Kind, OwnedPermit, Permit, Reserve, ReserveOwned, Send, Sender, WeakSender},
    mpmc::many::ManyReceivers,
    mpsc::one::OneReceiver,
};
