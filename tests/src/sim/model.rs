//! What is true in the world, told as simply as it can be told. Nothing of the ledger's code is used here.
//!
//! Every event that a device keeps is an [`Act`] that follows another one; copies of a device make a tree of them. What
//! the vendor must know is what arrived and hangs together with the tree's root.

mod copies;
mod heard;
mod license;

use std::collections::{BTreeMap, BTreeSet};

use schemas::grant::GrantStatus;
use schemas::ids::Link;

pub use self::copies::{Applied, Copied, Copy, Extra, periods};
pub use self::heard::Heard;
pub use self::license::License;

/// A feature's number and a period's.
pub type Key = (u16, u32);

/// Units used and taken back, by what and the UTC day on which they count.
pub type Days = BTreeMap<(Key, u32), (u64, u64)>;

/// Five components of a device, by a number each.
pub type Hardware = [u64; 5];

/// What an event does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// It opens the chain.
    Opened,
    /// It asks for an activation.
    Requested,
    /// It uses units.
    Used {
        /// Of what.
        key: Key,
        /// How many.
        n: u64,
        /// The UTC day on which they count.
        day: u32,
    },
    /// It takes a use back.
    Refunded {
        /// Of what.
        key: Key,
        /// How many units.
        n: u64,
        /// The UTC day on which they count.
        day: u32,
    },
    /// It records other hardware.
    Hardware(Hardware),
    /// It gives units back.
    Returned {
        /// Of what.
        key: Key,
        /// How many so far.
        total: u64,
    },
    /// It closes the chain.
    Closed,
    /// It notes a step of the clock.
    ClockNoted,
    /// A process began.
    Started,
    /// Anything else.
    Other,
}

/// An event that a device keeps.
#[derive(Clone, Debug)]
pub struct Act {
    /// The event before it.
    pub parent: Option<u32>,
    /// Its place.
    pub seq: u64,
    /// The link after it.
    pub link: Link,
    /// What it does.
    pub what: What,
    /// Reports that held it.
    pub sent: u32,
    /// Whether it arrived.
    pub arrived: bool,
    /// Whether it and all before it arrived.
    pub attached: bool,
    followers: Vec<u32>,
}

/// One device chain: all copies of it.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The licence.
    pub license: usize,
    /// The chain that it follows.
    pub follows: Option<usize>,
    /// Its events; the first is the root.
    pub acts: Vec<Act>,
    /// Whether its opening and its request arrived.
    pub begun: bool,
    /// Units that the vendor knows of.
    pub used: BTreeMap<Key, u64>,
    /// Units taken back that the vendor knows of.
    pub refunded: BTreeMap<Key, u64>,
    /// Both by the day on which they count.
    pub days: Days,
    /// All hardware that the vendor ever knew of.
    pub hardware: Vec<Hardware>,
    /// Units that all copies truly used and did not take back.
    pub spent: BTreeMap<Key, u64>,
    /// What devices gave back: of what, how many so far, and where they said so.
    pub returned: Vec<(Key, u64, u64)>,
    /// G and X, as the grants say.
    pub granted: BTreeMap<Key, (u64, u64)>,
    /// What it was told last.
    pub status: Option<GrantStatus>,
    /// Its seat.
    pub seat: Seat,
    /// Whether its device was told to go on with a successor, which takes the seat over.
    pub is_promised: bool,
    /// From when to when its trial runs.
    pub trial: Option<(u64, u64)>,
    /// Whether a device said that it is closed, as far as the vendor knows, on some branch.
    pub closings: usize,
    /// Places after which events differ: the event that they follow.
    pub partings: BTreeSet<Option<u32>>,
    /// Copies beyond the first.
    pub copies: Vec<Extra>,
    /// How its copies came about.
    pub origin: Copied,
    /// Numbers of the answers that left for it, and were not applied.
    pub answers: BTreeSet<(u32, u64)>,
    /// Units out that count against the limit, when last looked at after a fork.
    pub outstanding: BTreeMap<Key, u64>,
    /// Epoch and number of its newest grant.
    pub newest: (u32, u64),
    /// When that can no longer be applied.
    pub import_until: Option<u64>,
    /// When it was last heard of.
    pub heard: Heard,
    /// What a restored ledger lost of G.
    pub lost: BTreeMap<Key, u64>,
    /// Events that had arrived before a restored ledger lost them.
    pub lost_acts: BTreeSet<u32>,
    /// What the vendor says of its fork.
    pub told: Option<&'static str>,
    roots: Vec<u32>,
    waiting: usize,
}

/// The seat of a chain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seat {
    /// Whether it takes one.
    pub is_taken: bool,
    /// Whether it was ever given one, as far as the vendor knows.
    pub was_given: bool,
    /// Whether a restored ledger lost that it was given one.
    pub is_lost: bool,
}

/// What arrived and what came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// Events that had not arrived before.
    pub new: usize,
    /// Events that had.
    pub known: usize,
    /// Events that attached, of these and of others that waited.
    pub attached: usize,
    /// Events that attached and had waited.
    pub had_waited: usize,
    /// Events of this arrival that wait.
    pub waiting: usize,
    /// Whether the tree parts at a place where it did not.
    pub parted: bool,
    /// Whether it parts earlier than before.
    pub parted_earlier: bool,
}

impl Chain {
    /// A chain of which nothing is known.
    pub fn new(license: usize, follows: Option<usize>) -> Self {
        Self {
            license,
            follows,
            acts: Vec::new(),
            begun: false,
            used: BTreeMap::new(),
            refunded: BTreeMap::new(),
            days: Days::new(),
            hardware: Vec::new(),
            spent: BTreeMap::new(),
            returned: Vec::new(),
            granted: BTreeMap::new(),
            status: None,
            seat: Seat::default(),
            is_promised: false,
            trial: None,
            closings: 0,
            partings: BTreeSet::new(),
            copies: Vec::new(),
            origin: Copied::default(),
            answers: BTreeSet::new(),
            outstanding: BTreeMap::new(),
            newest: (0, 0),
            import_until: None,
            heard: Heard::default(),
            lost: BTreeMap::new(),
            lost_acts: BTreeSet::new(),
            told: None,
            roots: Vec::new(),
            waiting: 0,
        }
    }

    /// Whether the vendor knows of copies.
    pub fn is_forked(&self) -> bool {
        !self.partings.is_empty()
    }

    /// Events that arrived and wait for others.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds an event that a device keeps after `parent`. What two copies sign alike, byte by byte, is one event.
    pub fn keep(&mut self, parent: Option<u32>, link: Link, what: What) -> u32 {
        let beside = parent.map_or(&self.roots, |parent| &self.acts[parent as usize].followers);
        if let Some(same) = beside.iter().find(|other| self.acts[**other as usize].link == link) {
            return *same;
        }
        let number = u32::try_from(self.acts.len()).expect("short chains");
        let seq = parent.map_or(1, |parent| self.acts[parent as usize].seq + 1);
        match parent {
            Some(parent) => self.acts[parent as usize].followers.push(number),
            None => self.roots.push(number),
        }
        let (sent, arrived, attached) = (0, false, false);
        self.acts.push(Act { parent, seq, link, what, sent, arrived, attached, followers: Vec::new() });
        number
    }

    /// The place of the earliest parting.
    pub fn first_parting(&self) -> Option<u64> {
        self.partings.iter().map(|parent| parent.map_or(1, |parent| self.acts[parent as usize].seq + 1)).min()
    }

    /// Takes the events of one run in. A chain begins with its opening and its request, where it `may_begin`: a successor
    /// only after the chain that it follows.
    pub fn arrive(&mut self, run: &[u32], may_begin: bool) -> Arrival {
        let before = self.first_parting();
        let mut arrival = Arrival::default();
        for number in run {
            let act = &mut self.acts[*number as usize];
            if std::mem::replace(&mut act.arrived, true) {
                arrival.known += 1;
            } else {
                arrival.new += 1;
                self.waiting += 1;
            }
        }
        let begins = !self.begun && may_begin && self.has_begun();
        self.begun |= begins;
        if self.begun {
            let starts = if begins { self.roots.clone() } else { run.to_vec() };
            self.attach_from(starts, run, &mut arrival);
        }
        arrival.waiting = run.iter().filter(|number| !self.acts[**number as usize].attached).count();
        let after = self.first_parting();
        arrival.parted = before != after;
        arrival.parted_earlier = before.is_some() && before != after;
        arrival
    }

    fn has_begun(&self) -> bool {
        self.roots.iter().any(|root| {
            let root = &self.acts[*root as usize];
            let asked = root.followers.iter().map(|next| &self.acts[*next as usize]);
            root.arrived && asked.into_iter().any(|act| act.arrived && act.what == What::Requested)
        })
    }

    fn attach_from(&mut self, mut next: Vec<u32>, run: &[u32], arrival: &mut Arrival) {
        while let Some(number) = next.pop() {
            let act = &self.acts[number as usize];
            let parent = act.parent;
            let hangs = parent.is_none_or(|parent| self.acts[parent as usize].attached);
            if !act.arrived || !hangs {
                continue;
            }
            let was_attached = act.attached;
            next.extend(act.followers.iter().filter(|next| !self.acts[**next as usize].attached));
            if !was_attached {
                self.attach(number, parent);
                arrival.attached += 1;
                arrival.had_waited += usize::from(!run.contains(&number));
            }
        }
    }

    fn attach(&mut self, number: u32, parent: Option<u32>) {
        let beside = match parent {
            Some(parent) => &self.acts[parent as usize].followers,
            None => &self.roots,
        };
        if beside.iter().any(|other| self.acts[*other as usize].attached) {
            self.partings.insert(parent);
        }
        self.waiting -= 1;
        let act = &mut self.acts[number as usize];
        act.attached = true;
        match act.what {
            What::Used { key, n, day } => {
                *self.used.entry(key).or_default() += n;
                self.days.entry((key, day)).or_default().0 += n;
            }
            What::Refunded { key, n, day } => {
                *self.refunded.entry(key).or_default() += n;
                self.days.entry((key, day)).or_default().1 += n;
            }
            What::Hardware(hardware) => self.hardware.push(hardware),
            What::Returned { key, total } => self.returned.push((key, total, act.seq)),
            What::Closed => self.closings += 1,
            _ => {}
        }
    }

    /// U as it counts: net of what was taken back, unless a copy could take it back twice.
    pub fn charged(&self, key: Key, is_forked: bool) -> u64 {
        let of = |units: &BTreeMap<Key, u64>| units.get(&key).copied().unwrap_or_default();
        of(&self.used) - if is_forked { 0 } else { of(&self.refunded) }
    }

    /// Whether every history of it that arrived was closed.
    pub fn is_closed_everywhere(&self) -> bool {
        let is_end =
            |act: &&Act| act.attached && !act.followers.iter().any(|next| self.acts[*next as usize].attached);
        self.acts.iter().filter(is_end).all(|end| {
            let parent = |act: &&Act| act.parent.map(|parent| &self.acts[parent as usize]);
            std::iter::successors(Some(end), parent).any(|act| act.what == What::Closed)
        })
    }

    /// Units that its copies may spend beyond what it was granted.
    pub fn exposure(&self, key: Key) -> u64 {
        self.copies.iter().map(|copy| copy.held(key)).sum()
    }

    /// R as it counts: what was given back before histories part. No copy frees what another may use.
    pub fn freed(&self, key: Key) -> u64 {
        let parting = self.first_parting().unwrap_or(u64::MAX);
        let counts = self.returned.iter().filter(|(of, _, seq)| *of == key && *seq < parting);
        counts.map(|(_, total, _)| *total).max().unwrap_or_default()
    }

    /// G, as far as the vendor ever said it.
    pub fn ever_granted(&self, key: Key) -> u64 {
        let (granted, _) = self.granted.get(&key).copied().unwrap_or_default();
        self.lost.get(&key).map_or(granted, |lost| granted.max(*lost))
    }

    /// Whether units that were written off turn out to have been used.
    pub fn used_beyond_write_off(&self, key: Key) -> bool {
        let (granted, written_off) = self.granted.get(&key).copied().unwrap_or_default();
        let used = self.used.get(&key).copied().unwrap_or_default();
        written_off > 0 && used > granted.saturating_sub(written_off)
    }

    /// The vendor's ledger goes back to what it was: nothing, if it did not know the chain. What devices keep stays.
    /// Gives the units of G that it lost.
    pub fn go_back(&mut self, to: Option<Self>) -> Vec<(Key, u64)> {
        let mut to = to.unwrap_or_else(|| Self::new(self.license, self.follows));
        for (number, act) in self.acts.iter_mut().enumerate() {
            let then = to.acts.get(number);
            let (arrived, attached) = then.map_or((false, false), |act| (act.arrived, act.attached));
            if act.attached && !attached {
                self.lost_acts.insert(u32::try_from(number).expect("short chains"));
            }
            (act.arrived, act.attached) = (arrived, attached);
        }
        let mut lost = Vec::new();
        for (key, (granted, _)) in &self.granted {
            let then = to.granted.get(key).map_or(0, |(granted, _)| *granted);
            if then < *granted {
                lost.push((*key, granted - then));
                let most = self.lost.entry(*key).or_default();
                *most = (*most).max(*granted);
            }
        }
        // Also of a seat that was given back since, an enclosed grant may tell.
        let is_lost = self.seat.is_lost || self.seat.was_given && !to.seat.is_taken;
        self.seat = Seat { is_lost, ..to.seat };
        (self.begun, self.is_promised) = (to.begun, to.is_promised);
        self.used = std::mem::take(&mut to.used);
        self.refunded = std::mem::take(&mut to.refunded);
        self.days = std::mem::take(&mut to.days);
        self.hardware = std::mem::take(&mut to.hardware);
        self.trial = to.trial;
        self.returned = std::mem::take(&mut to.returned);
        self.granted = std::mem::take(&mut to.granted);
        self.partings = std::mem::take(&mut to.partings);
        self.outstanding = std::mem::take(&mut to.outstanding);
        (self.status, self.told) = (to.status, to.told);
        (self.closings, self.waiting) = (to.closings, to.waiting);
        (self.newest, self.import_until, self.heard) = (to.newest, to.import_until, to.heard);
        lost
    }

    /// Whether at `now` its newest grant comes too late to be applied.
    pub fn is_answer_late(&self, now: u64) -> bool {
        self.import_until.is_some_and(|until| until <= now)
    }

    /// The ends of what the vendor must know, in order.
    pub fn heads(&self) -> Vec<(u64, Link)> {
        let is_end =
            |act: &&Act| act.attached && !act.followers.iter().any(|next| self.acts[*next as usize].attached);
        let mut heads: Vec<(u64, Link)> =
            self.acts.iter().filter(is_end).map(|act| (act.seq, act.link)).collect();
        heads.sort_unstable();
        heads
    }

    /// The places at which histories part, in order.
    pub fn fork_points(&self) -> Vec<u64> {
        let place = |parent: &Option<u32>| parent.map_or(1, |parent| self.acts[parent as usize].seq + 1);
        let mut places: Vec<u64> = self.partings.iter().map(place).collect();
        places.sort_unstable();
        places
    }
}
