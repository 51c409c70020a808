//! What devices told by codes that were typed: the fold over `code.received` and the grants of the devices that sent any. A pure
//! function of a licence's authority chains.
//!
//! A code tells totals and names the head that they stand at. The events that lead there may be carried out one day; until
//! then the totals stand for them, and where both are known, the greater counts.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::authority::CodeReceived;
use schemas::event::{Body, Event};
use schemas::grant::GrantBody;
use schemas::ids::{ChainId, Digest, PublicKey};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Revision, Seconds, Seq, Total};
use schemas::period::{Period, Reset};
use schemas::typed::{
    Day, DeviceTag, GrantPlace, Kind, LinkStart, RequestFields, ReturnCode, ReturnFields, ReturnStart,
    TypedCode,
};
use serde::{Deserialize, Serialize};

use crate::codes;
use crate::evidence::Chain;

/// Most periods of a feature of which it is said that they were not told.
const UNTOLD: usize = 64;

/// What the devices of a licence told by codes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Coded(BTreeMap<ChainId, CodedDevice>);

/// What one device told by codes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CodedDevice {
    /// The key that signs its chain.
    pub signer: PublicKey,
    /// Its fingerprint in short.
    pub tag: DeviceTag,
    /// The version of the pack that its last request named.
    pub pack_version: u32,
    /// The digest of its last code.
    pub last: Digest,
    /// When that was typed.
    pub last_at: Micros,
    /// The digests of its requests.
    pub requests: BTreeSet<Digest>,
    /// The digests of the codes before it that could be typed again: its requests, one for each pack, and the returns that name
    /// the same head as the last one.
    pub earlier: BTreeSet<Digest>,
    /// The last grant that it was told by a code.
    pub by_code: Option<ByCode>,
    /// By which metered features its returns go after each grant, however that was told, from the last one on that a return
    /// named.
    pub metered: BTreeMap<(Epoch, Seq), Vec<(FeatureNumber, Reset)>>,
    /// The heads that its returns named, in the order in which they were typed.
    pub heads: Vec<NamedHead>,
    /// The greatest totals that its returns told.
    pub used: BTreeMap<(FeatureNumber, Period), ToldTotal>,
    /// When a return told that it closed its chain.
    pub closed_at: Option<Micros>,
    /// The place at which its returns contradict each other: two named different events there, or it went on after its end.
    pub parted: Option<Seq>,
}

/// A grant that a device was told by a code.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ByCode {
    /// Its place.
    pub place: (Epoch, Seq),
    /// The day of its issue, by its first instant.
    pub issued: Micros,
    /// The revision of the licence's entitlement that it tells.
    pub revision: Revision,
    /// The digest of the code that it answers.
    pub answers: Digest,
}

/// A head of the device's chain that a return code named: when the chain is carried later, it must hold it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NamedHead {
    /// Its place.
    pub seq: Seq,
    /// The beginning of its link.
    pub link: LinkStart,
    /// The grant that the device had applied last.
    pub applied: Option<(Epoch, Seq)>,
    /// When the code was typed.
    pub at: Micros,
}

/// Units used in a period, as a code told them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToldTotal {
    /// Units, net of refunds.
    pub total: Total,
    /// The first instant of the latest day of the period that was told.
    pub day: Micros,
}

impl CodedDevice {
    /// By which metered features a return goes that was written after this grant was applied.
    pub fn metered_at(&self, applied: Option<GrantPlace>) -> &[(FeatureNumber, Reset)] {
        let known = order(applied).and_then(|place| self.metered.get(&place));
        known.map_or(&[], Vec::as_slice)
    }

    /// Days of which a return has to be typed before one for `day` tells all that was used since the last grant that the device
    /// was told by a code: the last days of the periods that ended in between and were not told to their ends, in order. Where the
    /// return is for a day before that grant, that is the day to tell.
    pub fn untold(&self, fields: &ReturnFields) -> Vec<Micros> {
        let Some(last) = self.by_code else { return Vec::new() };
        let day = fields.day.start();
        if day < last.issued {
            return vec![last.issued];
        }
        let metered = self.metered_at(fields.applied).iter();
        let missing = metered.flat_map(|(feature, reset)| {
            let present = Period::of(*reset, day);
            let periods =
                std::iter::successors(Some(Period::of(*reset, last.issued)), |period| Some(period.next()));
            let over = periods.take_while(move |period| *period < present).take(UNTOLD);
            over.filter_map(move |period| {
                let last_day = period.end() - Seconds::days(1);
                let told = self.used.get(&(*feature, period)).is_some_and(|told| told.day >= last_day);
                (!told).then_some(last_day)
            })
        });
        missing.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What a return tells was used: each metered feature, the period that holds its day, and units.
    pub fn told<'a>(
        &'a self,
        fields: &'a ReturnFields,
    ) -> impl Iterator<Item = (FeatureNumber, Period, Total)> + 'a {
        let metered = self.metered_at(fields.applied);
        metered
            .iter()
            .zip(&fields.used)
            .map(|((feature, reset), total)| (*feature, Period::of(*reset, fields.day.start()), *total))
    }

    /// Whether a return says less than one that was taken in before.
    pub fn is_stale(&self, fields: &ReturnFields) -> bool {
        let applied = order(fields.applied);
        self.heads.last().is_some_and(|last| fields.seq < last.seq || applied < last.applied)
    }

    fn note(&mut self, code: &TypedCode, at: Micros) {
        let before = std::mem::replace(&mut self.last, codes::digest(code));
        self.earlier.insert(before);
        self.earlier.remove(&self.last);
        self.last_at = at;
    }

    fn take(&mut self, at: Micros, fields: &ReturnFields) {
        self.notice_copies(fields);
        let told: Vec<_> = self.told(fields).collect();
        for (feature, period, total) in told {
            let day = fields.day.start();
            let known = self.used.entry((feature, period)).or_insert(ToldTotal { total, day });
            *known = ToldTotal { total: known.total.max(total), day: known.day.max(day) };
        }
        let applied = order(fields.applied);
        if self.heads.last().is_some_and(|last| (last.applied, last.seq) < (applied, fields.seq)) {
            self.earlier.retain(|digest| self.requests.contains(digest));
        }
        self.metered.retain(|place, _| Some(*place) >= applied);
        self.heads.push(NamedHead { seq: fields.seq, link: fields.link, applied, at });
        if fields.closing {
            self.closed_at.get_or_insert(at);
        }
    }

    /// Notices that a return contradicts one before it: then there is a copy of the device.
    fn notice_copies(&mut self, fields: &ReturnFields) {
        let Some(last) = self.heads.last() else { return };
        let is_other = fields.seq == last.seq && fields.link != last.link;
        let goes_on = self.closed_at.is_some() && fields.seq > last.seq;
        if is_other || goes_on {
            self.parted = Some(self.parted.map_or(fields.seq, |known| known.min(fields.seq)));
        }
    }

    /// Reads a return by the metered features of the grant that it names; the MAC is not looked at.
    pub fn read_return(&self, code: &TypedCode) -> Option<ReturnFields> {
        let metered = self.metered_at(ReturnStart::read(code).ok()?.applied).len();
        ReturnCode::read(code, metered).ok().map(|read| read.fields)
    }
}

impl Coded {
    /// The device of a chain, if anything was typed for it.
    pub fn device(&self, chain: &ChainId) -> Option<&CodedDevice> {
        self.0.get(chain)
    }

    /// Every device that told anything by a code.
    pub fn devices(&self) -> impl Iterator<Item = (&ChainId, &CodedDevice)> {
        self.0.iter()
    }

    /// Whether a code told that the device closed its chain.
    pub fn is_closed(&self, chain: &ChainId) -> bool {
        self.0.get(chain).is_some_and(|device| device.closed_at.is_some())
    }

    /// Where the codes of a device contradict each other.
    pub fn parted(&self, chain: &ChainId) -> Option<Seq> {
        self.0.get(chain)?.parted
    }

    /// The greatest total of a device, feature and period that a code told; 0 where none did.
    pub fn used(&self, chain: &ChainId, key: &(FeatureNumber, Period)) -> u64 {
        self.0.get(chain).and_then(|device| device.used.get(key)).map_or(0, |told| told.total.get())
    }

    /// Units that codes told and the events that are known do not, by chain, feature and period.
    pub fn beyond<'a>(
        &'a self,
        chains: &'a BTreeMap<ChainId, Chain>,
    ) -> impl Iterator<Item = (&'a ChainId, FeatureNumber, Period, Micros, u64)> + 'a {
        self.0.iter().flat_map(|(chain, device)| {
            let known = chains.get(chain);
            device.used.iter().filter_map(move |(key, told)| {
                let proved = known.map_or(0, |known| known.charged(key, known.fork.is_some()));
                let n = told.total.get().saturating_sub(proved);
                (n > 0).then_some((chain, key.0, key.1, told.day, n))
            })
        })
    }

    /// Every feature and period of which a code told that units were used.
    pub fn periods(&self) -> impl Iterator<Item = &(FeatureNumber, Period)> {
        let used = self.0.values().flat_map(|device| &device.used);
        used.filter(|(_, told)| told.total > Total::ZERO).map(|(key, _)| key)
    }

    /// Folds the event at `seq` of the authority chain of an epoch, and says of which chain it told something.
    pub fn apply(&mut self, epoch: Epoch, seq: Seq, event: &Event) -> Option<ChainId> {
        match &event.body {
            Body::CodeReceived(received) => self.receive(event.at, received),
            Body::GrantIssued(grant) => {
                let device = self.0.get_mut(&grant.device)?;
                device.metered.insert((epoch, seq), metered(grant));
                let by_code = grant.typed.zip(grant.entitlement.as_ref()).and_then(|(typed, told)| {
                    let issued = Day::of(event.at)?.start();
                    let (revision, answers) = (told.revision, typed.answers);
                    Some(ByCode { place: (epoch, seq), issued, revision, answers })
                });
                device.by_code = by_code.or(device.by_code);
                None
            }
            _ => None,
        }
    }

    /// Folds what was typed. A code that says nothing which its chain could have said is passed over: the vendor signed it and
    /// takes only others.
    fn receive(&mut self, at: Micros, received: &CodeReceived) -> Option<ChainId> {
        let (code, chain) = (&received.code, received.chain);
        match code.kind() {
            Kind::Request => {
                let fields = RequestFields::read(code).ok()?;
                let device = self.0.entry(chain).or_insert_with(|| CodedDevice {
                    signer: fields.device,
                    tag: fields.tag,
                    pack_version: fields.pack_version,
                    last: codes::digest(code),
                    last_at: at,
                    earlier: BTreeSet::new(),
                    by_code: None,
                    requests: BTreeSet::new(),
                    metered: BTreeMap::new(),
                    heads: Vec::new(),
                    used: BTreeMap::new(),
                    closed_at: None,
                    parted: None,
                });
                device.pack_version = fields.pack_version;
                device.requests.insert(codes::digest(code));
                device.note(code, at);
            }
            Kind::Return => {
                let device = self.0.get_mut(&chain)?;
                let fields = device.read_return(code)?;
                device.take(at, &fields);
                device.note(code, at);
            }
            Kind::Unlock => return None,
        }
        Some(chain)
    }
}

/// What orders the grants of one activation.
fn order(place: Option<GrantPlace>) -> Option<(Epoch, Seq)> {
    place.map(|place| (place.epoch, place.seq))
}

fn metered(grant: &GrantBody) -> Vec<(FeatureNumber, Reset)> {
    let features = grant.entitlement.as_ref().map_or(&[][..], |entitlement| &entitlement.features);
    codes::metered(features).map(|feature| (feature.number, feature.reset)).collect()
}
