//! The form for people of what a file says.

use std::fmt::{self, Display, Formatter};

use schemas::certificate::CertificateBody;
use schemas::codes::Code;
use schemas::grant::{Ack, GrantBody, QuotaLine, Typed};
use schemas::numbers::{FeatureNumber, Micros, Seconds};
use schemas::period::Reset;
use schemas::terms::{Entitlement, FeatureGrant, FingerprintRule, Floating, Mode};
use schemas::text::Text;

use super::node::Node;
use super::{
    AnswerInspection, AttachmentInspection, BundleInspection, EventInspection, GrantFileInspection,
    GrantInspection, HeaderInspection, Inspection, NoticeInspection, PackInspection, RunInspection,
};

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle(bundle) => bundle.fmt(f),
            Self::Grant(grants) => grants.fmt(f),
            Self::Pack(pack) => pack.fmt(f),
        }
    }
}

impl Display for BundleInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "bundle: what a device tells its vendor, in {} and {}",
            counted(self.runs.len() as u64, "run"),
            counted(self.attachments.len() as u64, "attached value")
        )?;
        for run in &self.runs {
            writeln!(f, "\n{run}")?;
        }
        if !self.attachments.is_empty() {
            writeln!(f, "\nattached values, which the signed events hold only as commitments")?;
        }
        for attachment in &self.attachments {
            writeln!(f, "  {attachment}")?;
        }
        match &self.last_grant {
            Some(grant) => write!(f, "\nthe last grant that the device applied\n{grant}"),
            None => writeln!(f, "\nit encloses no licence file"),
        }
    }
}

impl Display for RunInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.header {
            Some(header) => header.fmt(f)?,
            None => f.write_str("a run that cannot be read")?,
        }
        match self.code {
            Some(code) => write!(f, ": NOT VERIFIED, {} ({code})", code.entry().title)?,
            None => write!(f, ": verified")?,
        }
        self.events.iter().try_for_each(|event| write!(f, "\n  {event}"))
    }
}

impl Display for HeaderInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { chain, writer, first_seq, last_seq, prev: _ } = self;
        writeln!(f, "chain {chain} ({}, {})", writer.word(), Node::of(writer, &["type"]))?;
        write!(f, "  events {first_seq} to {last_seq}")
    }
}

impl Display for EventInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { seq, event } = self;
        let fields = Node::of(event, &["at", "kind"]);
        write!(f, "{seq:>6}  {:<27}  {:<21} {fields}", event.at.to_string(), event.body.name())
    }
}

impl Display for AttachmentInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{text:?}")?,
            None => write!(f, "{} bytes that are not text", self.bytes)?,
        }
        let verdict = if self.opens { "is" } else { "is NOT" };
        write!(f, " {verdict} what commitment {} stands for", self.commitment)
    }
}

impl Display for GrantFileInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "grant file: what the vendor answers {}", counted(self.answers.len() as u64, "chain"))?;
        for answer in &self.answers {
            match answer {
                AnswerInspection::Grant(grant) => write!(f, "\n{grant}")?,
                AnswerInspection::Notice(notice) => write!(f, "\n{notice}")?,
            }
        }
        Ok(())
    }
}

impl Display for NoticeInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "notice: no licence answers this chain")?;
        line(f, "device chain", self.body.chain)?;
        let title = self.body.code.as_str().parse().map_or("", |code: Code| code.entry().title);
        line(f, "code", format_args!("{} {title}", self.body.code))?;
        line(f, "said at", self.body.at)?;
        issuer(f, &self.issuer)
    }
}

impl Display for GrantInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let body = &self.body;
        writeln!(f, "grant: {}", body.status)?;
        line(f, "device chain", body.device)?;
        line(f, "licence", body.license.uuid())?;
        line(f, "product", format_args!("{} ({})", body.product, body.environment))?;
        line(f, "issued at", self.issued_at)?;
        line(
            f,
            "authority chain",
            format_args!("{} event {}, epoch {}", self.authority_chain, self.seq, body.epoch),
        )?;
        optional(f, "reason", body.reason.as_ref())?;
        match &body.entitlement {
            Some(terms) => entitlement(f, terms)?,
            None => line(f, "entitlement", "none: the activation was never granted")?,
        }
        conditions(f, body)?;
        quotas(f, body)?;
        floating(f, body)?;
        vendor_holds(f, body)?;
        issuer(f, &self.issuer)
    }
}

impl Display for PackInspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let body = &self.body;
        writeln!(f, "product pack: what ships with an application")?;
        line(f, "product", format_args!("{} ({})", body.product, body.environment))?;
        line(f, "version", body.version)?;
        line(f, "made at", body.issued_at)?;
        line(f, "digest", self.digest)?;
        line(f, "root key", body.root)?;
        line(f, "sealing key", body.sealing)?;
        line(f, "same device", fingerprint(body.fingerprint))?;
        for feature in &body.features {
            let metered = if feature.metered { "metered" } else { "on/off" };
            line(f, "feature", format_args!("{} {} ({metered})", feature.number, feature.name))?;
        }
        for policy in &body.policies {
            line(f, "policy", Node::of(policy, &[]))?;
        }
        optional(f, "portal", body.portal.as_ref())
    }
}

fn entitlement(f: &mut Formatter<'_>, terms: &Entitlement) -> fmt::Result {
    line(f, "type", format_args!("{}, revision {}", terms.kind, terms.revision))?;
    line(f, "starts at", terms.starts_at)?;
    line(f, "valid until", or_without_end(terms.valid_until))?;
    line(f, "maintenance until", or_without_end(terms.maintenance_until))?;
    for FeatureGrant { number, name, mode, reset, valid_for } in &terms.features {
        let mode = match (mode, reset) {
            (Mode::OnOff, _) => mode_in_words(*mode).to_owned(),
            (_, Reset::Never) => format!("{}, for life", mode_in_words(*mode)),
            (_, reset) => format!("{}, by the {reset}", mode_in_words(*mode)),
        };
        match valid_for.map(|span| terms.starts_at + span) {
            None => line(f, "feature", format_args!("{number} {name} ({mode})"))?,
            Some(until) => line(f, "feature", format_args!("{number} {name} ({mode}, until {until})"))?,
        }
    }
    terms
        .custom
        .iter()
        .try_for_each(|field| line(f, "custom field", format_args!("{} = {}", field.name, field.value)))
}

fn conditions(f: &mut Formatter<'_>, body: &GrantBody) -> fmt::Result {
    let check_in = body.check_in;
    match check_in.sync_by {
        None => line(f, "check-in", "never needed")?,
        Some(by) => line(
            f,
            "check-in",
            format_args!("by {by}, then {} of grace, then {}", span(check_in.grace), check_in.after),
        )?,
    }
    line(f, "apply before", or_without_end(body.import_until))?;
    line(f, "clock tolerance", span(body.clock_tolerance))?;
    line(f, "same device", fingerprint(body.fingerprint))?;
    optional(f, "forked", body.forked.as_ref())
}

fn quotas(f: &mut Formatter<'_>, body: &GrantBody) -> fmt::Result {
    for QuotaLine { feature, first, last, granted, written_off } in &body.quotas {
        let name = feature_name(body, *feature);
        let periods = if first == last { first.to_string() } else { format!("each of {first} to {last}") };
        line(f, "quota", format_args!("{name}: {granted} for {periods}, {written_off} written off"))?;
    }
    body.return_requests.iter().try_for_each(|asked| {
        let name = feature_name(body, asked.feature);
        line(f, "asked back", format_args!("{name}: {} of {}", asked.n, asked.period))
    })
}

fn floating(f: &mut Formatter<'_>, body: &GrantBody) -> fmt::Result {
    let Some(Floating { pools, longest_lease, longest_borrow }) = &body.floating else { return Ok(()) };
    for pool in pools {
        line(f, "pool", format_args!("{}: {} seats", feature_name(body, pool.feature), pool.seats))?;
    }
    line(f, "longest lease", span(*longest_lease))?;
    line(f, "longest borrow", span(*longest_borrow))
}

fn vendor_holds(f: &mut Formatter<'_>, body: &GrantBody) -> fmt::Result {
    match body.ack {
        Ack::NONE => line(f, "vendor holds", "nothing of the chain")?,
        Ack { seq, link } => line(f, "vendor holds", format_args!("events up to {seq}, link {link}"))?,
    }
    for taken in &body.took_in {
        line(
            f,
            "took in",
            format_args!(
                "chain {} from {} to {}, link {}",
                taken.chain, taken.first_seq, taken.seq, taken.link
            ),
        )?;
    }
    for missing in &body.missing {
        line(f, "missing", format_args!("events {} to {}", missing.first, missing.last))?;
    }
    optional(f, "send again from", body.resend_from.as_ref())?;
    let revoked = &body.revocations;
    line(
        f,
        "revocations",
        format_args!(
            "version {}, {}",
            revoked.version,
            counted(revoked.certificates.len() as u64, "certificate")
        ),
    )?;
    revoked.certificates.iter().try_for_each(|certificate| line(f, "revoked", certificate))?;
    if body.compact {
        line(f, "compaction", "acknowledged events may be dropped")?;
    }
    let Some(Typed { key, policy, answers }) = body.typed else { return Ok(()) };
    line(f, "typed code", format_args!("key {key} and policy {policy} of the pack, answers {answers}"))
}

fn issuer(f: &mut Formatter<'_>, issuer: &CertificateBody) -> fmt::Result {
    let products: Vec<_> = issuer.products.iter().map(Text::as_str).collect();
    let products = if products.is_empty() { "all products".to_owned() } else { products.join(", ") };
    line(f, "issuer key", issuer.issuer)?;
    line(f, "may sign for", format_args!("{products} ({})", issuer.environment))?;
    line(f, "from, until", format_args!("{}, {}", issuer.not_before, issuer.not_after))?;
    line(f, "certified by root", issuer.root)
}

fn line(f: &mut Formatter<'_>, label: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "  {label:<18} {value}")
}

fn optional(f: &mut Formatter<'_>, label: &str, value: Option<impl Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| line(f, label, value))
}

fn feature_name(body: &GrantBody, number: FeatureNumber) -> String {
    let features = body.entitlement.as_ref().map_or(&[][..], |terms| &terms.features);
    match features.iter().find(|feature| feature.number == number) {
        Some(feature) => feature.name.to_string(),
        None => format!("feature {number}"),
    }
}

fn fingerprint(rule: FingerprintRule) -> String {
    format!("{} of {} components match; {} of grace", rule.required, rule.of, span(rule.grace))
}

fn mode_in_words(mode: Mode) -> &'static str {
    match mode {
        Mode::OnOff => "on/off",
        Mode::Hard => "metered, hard quota",
        Mode::Counted => "metered, overage counted",
        Mode::Unlimited => "metered, unlimited",
    }
}

fn or_without_end(instant: Option<Micros>) -> String {
    instant.map_or_else(|| "without end".to_owned(), |instant| instant.to_string())
}

fn span(Seconds(seconds): Seconds) -> String {
    match seconds {
        0 => "none".to_owned(),
        _ if seconds % 86_400 == 0 => counted(seconds / 86_400, "day"),
        _ if seconds % 3_600 == 0 => counted(seconds / 3_600, "hour"),
        _ => counted(seconds, "second"),
    }
}

fn counted(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}
