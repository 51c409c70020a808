//! Webhooks: whom the vendor tells what happened, what they are told, how it is signed, and when it is tried again. Nothing
//! here sends anything: that is the service's.
//!
//! Messages have the form and the signatures of Standard Webhooks.

pub mod address;
pub mod back_off;
pub mod message;
pub mod signing;
pub mod target;

use schemas::ids::{Commitment, HookId, LicenseId, MessageId};
use schemas::numbers::Micros;
use schemas::webhook::Topic;

use self::signing::Signing;

/// An endpoint that is told what happens.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its identifier.
    pub id: HookId,
    /// Where it is.
    pub url: String,
    /// What it wants to be told.
    pub topics: Topics,
    /// How messages to it are signed.
    pub signing: Signing,
    /// Whether it may be on one's own network, and be spoken to without encryption.
    pub allow_private: bool,
    /// The operator whose token made it; absent: it was made on the command line.
    pub maker: Option<Commitment>,
    /// When it was made.
    pub created_at: Micros,
    /// Since when nothing is sent to it any more.
    pub disabled_at: Option<Micros>,
}

/// What an endpoint wants to be told: some topics, or whatever there is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Topics(Vec<Topic>);

impl Topics {
    /// These; all there are and will be where none is named.
    pub fn of(mut named: Vec<Topic>) -> Self {
        named.sort_unstable();
        named.dedup();
        Self(named)
    }

    /// Whether this is one of them.
    pub fn hold(&self, topic: Topic) -> bool {
        self.0.is_empty() || self.0.contains(&topic)
    }

    /// Those that are named; none where all are wanted.
    pub fn named(&self) -> &[Topic] {
        &self.0
    }

    /// As they are stored.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|topic| topic.word()).collect::<Vec<_>>().join(",")
    }

    /// Reads what [`Topics::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        let words = text.split(',').filter(|word| !word.is_empty());
        words.map(|word| word.parse().ok()).collect::<Option<_>>().map(Self)
    }
}

/// A message to one endpoint, and what became of it so far.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The licence that it is about.
    pub license: LicenseId,
    /// Its identifier, however often it is sent.
    pub message: MessageId,
    /// The endpoint.
    pub hook: HookId,
    /// What it tells.
    pub topic: Topic,
    /// What is sent, byte by byte.
    pub body: String,
    /// When it was written.
    pub created_at: Micros,
    /// How often it was sent.
    pub attempts: u32,
    /// Where it stands.
    pub state: State,
    /// What the last attempt came to.
    pub last: Last,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It is sent from then on.
    Due(Micros),
    /// It was taken then.
    Delivered(Micros),
    /// It was given up then.
    Failed(Micros),
}

impl State {
    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Due(_) => "pending",
            Self::Delivered(_) => "delivered",
            Self::Failed(_) => "failed",
        }
    }
}

/// What the last attempt to send a message came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Last {
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// How the answer begins, or why there was none.
    pub answer: Option<String>,
}

/// What became of a message that was put off to be sent.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The licence that it is about.
    pub license: LicenseId,
    /// The message.
    pub message: MessageId,
    /// Until when it was put off: whoever finds something else there leaves it.
    pub put_off_to: Micros,
    /// How often it was sent by now.
    pub attempts: u32,
    /// Where it stands now.
    pub state: State,
    /// What the attempt came to.
    pub last: Last,
}

/// Which messages are listed, the latest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryFilter {
    /// Only to this endpoint.
    pub hook: Option<HookId>,
    /// Only those that were given up.
    pub failed: bool,
    /// Only those before this one.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u64,
}
