//! Whether the loop ends, and with what: when everything that it waits for has ended, or somebody stops it, or a panic does.
//! Who is left is asked to end, and has a grace.

use arborio_task::{Interrupt, Payload, Task, Tree};

use super::{Leftover, OnUnobservedPanic, Report, report::tell_reported, turns::Turns};
use crate::{
    here,
    team::{Ending, Seat},
};

/// How often those who take a request back are asked again before the loop sleeps: time
/// must pass for one who refuses for ever, or a virtual clock would stand still.
const ASKED_IN_A_ROW: u32 = 16;

/// Why the loop ends.
pub(super) enum End {
    /// Everything that it waits for has ended.
    Settled,
    /// Somebody has stopped it.
    Stopped,
    /// A panic that nobody observed.
    Panicked(Payload),
    /// Nothing can happen any more.
    Stalled(Tree),
}

/// The last part of a loop's life.
pub(super) struct Winding {
    /// How it will have ended.
    pub(super) end: End,
    /// Ends when the grace is over.
    pub(super) grace: Task<()>,
    /// How often they were asked again since the loop slept.
    pub(super) asked: u32,
}

impl Turns<'_> {
    /// Something happened that may end the loop.
    #[cold]
    pub(super) fn decide(&mut self) -> Option<End> {
        tell_reported(self.tell);
        for panic in self.running.take_panics() {
            if let Some(end) = self.meet_panic(panic) {
                return Some(end);
            }
        }
        if here::take_stop() {
            self.running.refuse_arrivals();
            match self.seat {
                Some(seat) => seat.team().end(Ending::Asked), // all workers, as is found below
                None if self.winding.is_none() => return self.wind_down(End::Stopped),
                None => {}
            }
        }
        if self.winding.is_some() {
            return self.all_have_ended();
        }
        if let Some(seat) = self.seat.filter(|seat| seat.number() == 0)
            && let Some(panic) = seat.team().take_panic()
        {
            return self.meet_panic(panic);
        }
        let main_is_over = match self.options.leftover {
            Leftover::Wait => self.running.main_interrupted(),
            Leftover::Cancel => self.running.main_ended(),
        };
        if !main_is_over && self.running.pending() == 0 {
            self.take_mail(); // what was sent before the end is waited for
        }
        let over = match self.seat {
            None => main_is_over || self.running.pending() == 0,
            Some(seat) => self.team_is_over(seat, main_is_over),
        };
        if over && !self.running.main_ended() {
            // Another worker was stopped, or has just had a panic.
            let first = self.seat.filter(|seat| seat.number() == 0);
            let panic = first.and_then(|seat| seat.team().take_panic());
            let end = panic.map_or(End::Stopped, End::Panicked);
            return self.wind_down(end);
        }
        if over {
            return self.wind_down(End::Settled);
        }
        if self.main_runs && self.running.main_ended() {
            self.main_runs = false;
            self.park.main_ended();
        }
        None
    }

    /// Whether this worker ends. The first one says so for all.
    fn team_is_over(&self, seat: &Seat, main_is_over: bool) -> bool {
        self.count(seat);
        let team = seat.team();
        if seat.number() == 0 && main_is_over {
            team.end(Ending::Asked);
        }
        if team.ending() == Some(Ending::Asked) {
            return true;
        }
        let over = self.running.pending() == 0 && seat.may_end();
        if over {
            team.end(Ending::WhenDone);
        }
        over
    }

    /// A panic that nobody observed. The first one that counts ends the loop.
    fn meet_panic(&mut self, panic: Payload) -> Option<End> {
        if self.options.on_unobserved_panic == OnUnobservedPanic::Report {
            (self.tell)(Report::Panic(&panic));
            return None;
        }
        if let Some(seat) = self.seat {
            if seat.number() != 0 {
                seat.team().fail(panic); // it is for the first worker, or for who waits for all
                return match self.winding {
                    None => self.wind_down(End::Settled),
                    Some(_) => None,
                };
            }
            seat.team().end(Ending::Asked);
        }
        match &mut self.winding {
            None => self.wind_down(End::Panicked(panic)),
            Some(winding)
                if matches!(winding.end, End::Settled | End::Stopped)
                    && !self.running.main_interrupted() =>
            {
                winding.end = End::Panicked(panic);
                None
            }
            Some(_) => {
                (self.tell)(Report::Panic(&panic));
                None
            }
        }
    }

    /// The loop ends as `end`, when those who are left have ended: they are asked to, and have
    /// a grace.
    fn wind_down(&mut self, end: End) -> Option<End> {
        if self.running.pending() + self.running.daemons() == 0 {
            return Some(end);
        }
        self.running.ask_all(&Interrupt::Stopped, None);
        let Some(grace) = self.park.start_grace() else {
            return Some(end);
        };
        self.winding = Some(Winding {
            end,
            grace,
            asked: 0,
        });
        None
    }

    /// Whether nobody but the one who watches the grace is left.
    fn all_have_ended(&mut self) -> Option<End> {
        let left = self.running.pending() + self.running.daemons();
        let watching = |winding: &mut Winding| !winding.grace.is_finished();
        let winding = self
            .winding
            .take_if(|winding| left == usize::from(watching(winding)))?;
        Some(winding.end)
    }

    /// Whether those who are left have had their time. Asks those again who have taken
    /// the request back.
    pub(super) fn grace_is_over(&mut self) -> Option<End> {
        let winding = self.winding.take_if(|winding| winding.grace.is_finished());
        if let Some(winding) = winding {
            return Some(self.force(winding));
        }
        if let Some(winding) = &mut self.winding
            && winding.asked < ASKED_IN_A_ROW
            && self.running.take_withdrawals()
        {
            winding.asked += 1;
            let spared = Some(&winding.grace);
            self.running.ask_all(&Interrupt::Stopped, spared);
        }
        None
    }

    /// Those who are left have no more time, or could not use it.
    pub(super) fn force(&self, winding: Winding) -> End {
        (self.tell)(Report::Forced(&self.running.tree()));
        winding.end
    }
}
