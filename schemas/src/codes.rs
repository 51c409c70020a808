//! The one table of refusal codes: error types, exit codes, HTTP statuses, `explain` and `docs/codes.md` share it.

use std::fmt;
use std::str::FromStr;

/// What a program's exit says, by number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line is not valid.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// Refused by the licence or its policy.
    Refused = 4,
    /// Verification failed: damage or tampering.
    Verification = 5,
    /// Done, with findings.
    Findings = 6,
    /// The network failed.
    Network = 7,
    /// Busy or locked.
    Busy = 8,
    /// Interrupted by whoever started it.
    Interrupted = 130,
}

impl Exit {
    /// The process's exit code.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A stable code that never changes its meaning, with what people are told about it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// The code's word.
    pub word: &'static str,
    /// One sentence.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The way out.
    pub hint: &'static str,
}

/// All that is known of a code, as both programs tell it.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Explanation {
    /// The code.
    pub code: Code,
    /// One sentence.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The way out.
    pub hint: &'static str,
    /// The exit code of a program that ends with it.
    pub exit: u8,
    /// The HTTP status of an answer that carries it.
    pub status: u16,
}

impl Explanation {
    /// What is known of `code`.
    pub fn of(code: Code) -> Self {
        let Entry { title, meaning, hint, .. } = code.entry();
        Self { code, title, meaning, hint, exit: code.exit().number(), status: code.status() }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "code         {}", self.code)?;
        writeln!(f, "it says      {}", self.title)?;
        writeln!(f, "meaning      {}", self.meaning)?;
        writeln!(f, "what to do   {}", self.hint)?;
        writeln!(f, "exit code    {}", self.exit)?;
        write!(f, "HTTP status  {}", self.status)
    }
}

/// Every code, one a line.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Explanations {
    /// The codes in the order of the table.
    pub codes: Vec<Explanation>,
}

impl Explanations {
    /// All there are.
    pub fn all() -> Self {
        Self { codes: Code::ALL.iter().copied().map(Explanation::of).collect() }
    }
}

impl fmt::Display for Explanations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.codes.iter().map(|code| code.code.word().len()).max().unwrap_or(0);
        writeln!(f, "{:width$}  EXIT  IT SAYS", "CODE")?;
        self.codes
            .iter()
            .try_for_each(|code| writeln!(f, "{:width$}  {:<4}  {}", code.code, code.exit, code.title))
    }
}

macro_rules! codes {
    ($($variant:ident $word:literal $exit:ident $status:literal $title:literal $meaning:literal $hint:literal,)*) => {
        /// Every refusal that a person or a program can meet.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[expect(missing_docs, reason = "each variant is documented by its row of the table, which `explain` prints")]
        pub enum Code {
            $($variant,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What people are told.
            pub fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry { word: $word, title: $title, meaning: $meaning, hint: $hint },)*
                }
            }

            /// The exit code of a program that ends with it.
            pub fn exit(self) -> Exit {
                match self {
                    $(Self::$variant => Exit::$exit,)*
                }
            }

            /// The HTTP status of an answer that carries it (RFC 9110).
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }
        }
    };
}

impl Code {
    /// The code's word.
    pub fn word(self) -> &'static str {
        self.entry().word
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.word() == word)
            .ok_or_else(|| format!("there is no code {word}"))
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

codes! {
    // Form of bytes.
    Truncated "truncated" Verification 422
        "a value is cut short"
        "The bytes end in the middle of a value. They were cut after they were written, or were never complete."
        "Get the file again from where it was made.",
    TrailingBytes "trailing_bytes" Verification 422
        "bytes follow the value"
        "A value is complete and more bytes stand behind it. Every signed value fills its place exactly."
        "Get the file again; if it repeats, the program that made it does not follow the format.",
    NotMinimal "not_minimal" Verification 422
        "an integer or length is not in its shortest form"
        "Each value has exactly one encoding, so that equal facts have equal bytes. This one was written in a longer form."
        "The program that made the file does not follow the format.",
    MapNotAllowed "map_not_allowed" Verification 422
        "a map stands where an array belongs"
        "Signed values are arrays of fixed length; maps have no single order and are not used."
        "The program that made the file does not follow the format.",
    FloatNotAllowed "float_not_allowed" Verification 422
        "a floating-point number is not allowed"
        "Amounts are integers in a feature's smallest unit."
        "The program that made the file does not follow the format.",
    NilNotAllowed "nil_not_allowed" Verification 422
        "nil is not allowed"
        "A value that is absent is written as an empty array."
        "The program that made the file does not follow the format.",
    BooleanNotAllowed "boolean_not_allowed" Verification 422
        "a boolean must be written as 0 or 1"
        "The boolean types of MessagePack are not used."
        "The program that made the file does not follow the format.",
    ExtensionNotAllowed "extension_not_allowed" Verification 422
        "an extension type is not allowed"
        "The extension types of MessagePack are not used."
        "The program that made the file does not follow the format.",
    NegativeNotAllowed "negative_not_allowed" Verification 422
        "a negative integer is not allowed"
        "All numbers are unsigned and written in an unsigned form."
        "The program that made the file does not follow the format.",
    TextNotUtf8 "text_not_utf8" Verification 422
        "a text is not UTF-8"
        "Text is UTF-8 without exception."
        "The program that made the file does not follow the format.",
    ValueTooLong "value_too_long" Verification 422
        "a value is longer than its limit"
        "Every text, list, event, run and grant has a limit, so that reading is bounded."
        "The program that made the file does not follow the format.",
    NestingTooDeep "nesting_too_deep" Verification 422
        "arrays are nested too deep"
        "No value of the format nests deeper than 16 arrays."
        "The program that made the file does not follow the format.",
    WrongArity "wrong_arity" Verification 422
        "an array has the wrong number of elements"
        "Every array of the format has a fixed number of elements."
        "The program that made the file does not follow the format.",
    WrongType "wrong_type" Verification 422
        "a value has the wrong type"
        "Another type stands where the format asks for one."
        "The program that made the file does not follow the format.",
    OutOfRange "out_of_range" Verification 422
        "a value is out of range"
        "A number or a choice is outside what its place allows."
        "The program that made the file does not follow the format.",
    UnknownKind "unknown_kind" Verification 422
        "an event or part that must be understood is unknown"
        "A newer version wrote something that this program must not pass over."
        "Update this program, then try again.",
    UnsupportedVersion "unsupported_version" Verification 422
        "the version is not supported"
        "The file or the code was written in a version of the format that this program does not know."
        "Update this program, then try again.",
    // Files.
    UnknownFile "unknown_file" Verification 422
        "this is not a Counterfoil file"
        "A file is recognised by its first bytes, not by its name, and these are not ours."
        "Check that the right file was given.",
    WrongFile "wrong_file" Verification 422
        "this is another kind of Counterfoil file"
        "A bundle goes to the vendor, a grant to the device, a pack ships with the application."
        "Give the file that this command takes; `show FILE` tells what a file is.",
    Damaged "damaged" Verification 422
        "the file is damaged"
        "Every file ends in a digest of all before it, and it does not match: the file was cut or changed on its way."
        "Get the file again from where it was made.",
    TooLarge "too_large" Verification 413
        "the file is too large"
        "The file is larger than its kind may be."
        "Send what the device has in several reports.",
    IoFailed "io_failed" Failed 500
        "a file could not be read or written"
        "The operating system refused."
        "See the message behind it; check path, permissions and free space.",
    // Codes that are typed.
    CodeSymbol "code_symbol" Usage 422
        "a code holds a character that no code has"
        "A code is made of digits and letters without I, L, O and U; O is read as 0, I and L are read as 1. Something else was typed, and it is not guessed what it stands for."
        "Type the groups that are named again; the others stand.",
    CodeGroupWrong "code_group_wrong" Usage 422
        "a group of the code is wrong"
        "Each group of a code has five symbols and a check symbol, which also tells the group's place and the kind of the code, and one is not right: it is mistyped, too short or too long, in another place, or from another code. The groups that are not named stand."
        "Compare the groups that are named with the code as it was shown, and type them again.",
    CodeLength "code_length" Usage 422
        "the code has too few or too many groups"
        "What the code says takes a number of groups, and another one was typed, or none."
        "Type the whole code as it was shown, and nothing after it.",
    CodeKind "code_kind" Usage 422
        "this is another kind of code"
        "A request code goes from the device to the vendor, an unlock code from the vendor to the device, a return code from the device to the vendor."
        "Type the code that is asked for here.",
    CodeMismatch "code_mismatch" Verification 422
        "the groups do not make up one code"
        "Each group is right by itself, but all of them together are not what was shown for this device and its licence key: groups of two codes were mixed, two groups whose places are 32 apart changed them, or the code is for another device or licence key."
        "Compare the whole code with what was shown, group by group, and see whose it is.",
    CodeUnfit "code_unfit" Refused 409
        "this cannot be told by a code"
        "A code has little room: it counts grants, events, days and units only so far, and tells of so many features at most."
        "Use a file in its place.",
    CodeOtherKey "code_other_key" Refused 409
        "another licence key was typed at the device"
        "A request code tells by a few bits which licence key was typed at the device, and these are not of the key that was given here."
        "Compare the licence key at both ends. Where the one at the device is wrong, ask there again with the right one, and type the new code here.",
    CodeOtherPack "code_other_pack" Refused 409
        "the code is for another product pack"
        "The code was made for this device, but for another product pack than the application has now: it was updated since the request, or set back."
        "Ask anew at the device by `activate --code` with the same licence key, and have that request answered.",
    CodePackUnknown "code_pack_unknown" NotFound 404
        "the code names a product pack that is not known here"
        "A request code names its application's product pack by its version, and this home published no such version of the licence's product: the application is another vendor's or another home's, or the ledger was restored from before that pack."
        "See whose application it is. After a restore, make packs until the version is reached, and ship the newest one.",
    CodeAnsweredEarlier "code_answered_earlier" Refused 409
        "the code answers an earlier one"
        "The code was made for this device, as an answer to a code that was shown before the last one."
        "Type the answer to the code that was shown last. If that one never reached the vendor, have it answered.",
    CodeOtherDevice "code_other_device" Refused 409
        "the code is of another device"
        "A return code names the chain that it is of, and this one names another than was given."
        "Find out which device showed it, and give that one.",
    CodeStale "code_stale" Refused 409
        "a later code of the device was taken in"
        "What a device tells by codes only grows, and one was taken in that came after this one. It changes nothing."
        "Show a new code at the device by `report --code` and type that one.",
    CodeDay "code_day" Refused 409
        "the code tells of a day before the licence"
        "A return code tells what was used in the periods that hold its day, and the licence was issued after that day."
        "Show a code for the day that is meant: `report --code --day DATE`.",
    CodeParted "code_parted" Verification 422
        "codes of one device contradict each other"
        "Two return codes named different events at one place of the device's record, or one tells that it went on after its end: there is a copy of the device. What was reserved for it is not spent any more, as far as the policy says so."
        "Ask the customer how many copies there are. The records, carried out, prove which parted from which.",
    CodeChainUnknown "code_chain_unknown" NotFound 404
        "no device is known that this code is of"
        "A return code names its device by the beginning of its chain, and the ledger knows no device by this one that was answered by a code; or it was restored, and lacks the answer that the device applied last."
        "Have the device's request code answered first. It can be shown again.",
    CodePolicy "code_policy" Refused 409
        "no policy of the product pack fits the licence"
        "A code unlocks a policy that came with the application in its product pack, and none of those gives just what the licence grants on the same conditions, or the one that was named is not in it."
        "At the vendor, name the policy by its number, which changes the licence to it, or make a pack that holds the licence's policy. At the device, take an application whose pack holds policies for codes.",
    CodeHeadMissing "code_head_missing" Verification 422
        "the chain does not hold the head that a code named"
        "A return code named the newest event of its device, and the chain that was carried out since holds another one at that place: the device told by the code what its record does not say, or it was set back and went on."
        "Ask the customer how that came. What the code told was used still counts where the events say less.",
    CodeNotHere "code_not_here" Refused 409
        "the vendor does not know this device by a code"
        "A return code is read with the device's request code, and none was shown here, or the device has no licence yet."
        "Ask by `activate --code` and have the request answered; or report by a file or a connection.",
    // Chains, signatures, certificates.
    ChainMismatch "chain_mismatch" Verification 422
        "the chain's name does not follow from its header"
        "A chain is named by a hash over the key that signs it, and this header does not give that name."
        "The file was changed or made by a faulty program; get it again.",
    WrongWriter "wrong_writer" Verification 422
        "an event stands on a chain of another writer"
        "Devices, licences and the catalog each have kinds of events of their own."
        "The file was made by a faulty program.",
    SignatureBad "signature_bad" Verification 422
        "a signature does not verify"
        "The signed bytes are not what the key's owner signed."
        "The file was changed; get it again from where it was made.",
    TimeNotIncreasing "time_not_increasing" Verification 422
        "an authority event is not later than the one before it"
        "Events of the vendor's chains stand in strictly increasing time."
        "The ledger was tampered with or written by a faulty program.",
    IssuerUnknown "issuer_unknown" Verification 422
        "the issuer's certificate is not known or not valid"
        "A grant must carry a certificate that the pack's root key signed."
        "Check that application and grant come from the same vendor.",
    IssuerOutOfScope "issuer_out_of_scope" Verification 422
        "the issuer's key may not sign for this"
        "A certificate names the products, the environment and the dates for which a key may sign."
        "Ask the vendor for a new file.",
    IssuerRevoked "issuer_revoked" Verification 422
        "the issuer's key was revoked"
        "The vendor declared this key invalid."
        "Ask the vendor for a new file.",
    PackInvalid "pack_invalid" Verification 422
        "the product pack's signature does not verify"
        "A pack is signed by the vendor's root key."
        "Get the pack again from the vendor.",
    PackMismatch "pack_mismatch" Refused 409
        "the product pack is for another product"
        "This state directory belongs to a chain of another product, environment or vendor."
        "Give the pack that ships with the application, or another `--state` directory.",
    AttachmentMismatch "attachment_mismatch" Verification 422
        "an attached value is not the one that was signed for"
        "Personal data travels beside the signed events and is held to a commitment in them; this value does not open it."
        "The file was changed; get it again from where it was made.",
    // Merging.
    ChainGap "chain_gap" Refused 409
        "events are missing before these"
        "The run begins beyond what the ledger holds of its chain. A run of a known chain is parked and attaches when the events before it arrive; one of an unknown chain waits in quarantine for the chain's beginning."
        "Merge the earlier report of the same device, or ask the device for a new one.",
    ChainFork "chain_fork" Refused 409
        "this history contradicts one that is known"
        "The same chain was continued twice from one place: the device was copied, or set back to an older state. Both histories are kept as evidence."
        "See `counterfoil audit forks`; find out which devices share one state.",
    ParkingFull "parking_full" Refused 409
        "too much of this chain waits already"
        "So many runs of the chain wait for events before them that no more may wait beside it. The run waits in quarantine and is tried again when the chain moves."
        "Merge the device's earlier reports, or ask the device for a new one.",
    BranchesFull "branches_full" Refused 409
        "the chain has forked too often"
        "A chain has 64 branches at most. The run would begin another one; it waits in quarantine as evidence."
        "Release the activation; find out which devices share one state.",
    LicenseUnknown "license_unknown" Refused 404
        "no licence has this key"
        "The request refers to a licence key that this ledger does not know: it was mistyped, issued from another home, or issued after the backup from which this ledger was restored. It waits in quarantine. No licence is made again from what its devices carry: a licence file says neither for whom it was issued nor how many devices and units it allows."
        "Check the licence key and the home. For what a restore lost: `counterfoil license issue`, then `counterfoil-agent deactivate` and `activate` with the new key on the device. For a trial that was not issued yet: `counterfoil license issue --trial`, then `counterfoil quarantine retry`.",
    ClaimInvalid "claim_invalid" Refused 403
        "the request does not prove its licence key"
        "The licence key's secret part does not match its reference."
        "Type the licence key again.",
    ClaimUnsupported "claim_unsupported" Refused 422
        "this kind of activation is not offered here"
        "The request claims something that this vendor does not answer."
        "Activate with a licence key.",
    OriginMismatch "origin_mismatch" Refused 409
        "the request is for another product or environment"
        "The licence belongs to another product or environment than the pack that the device used."
        "Use the pack of the licence's product.",
    TotalMismatch "total_mismatch" Findings 422
        "a total does not follow from the events before it"
        "Each consumption states the total so far, and this one's is not the sum. The sum of the events counts."
        "Find out what wrote on the device; the usage figures are the sums.",
    PeriodMismatch "period_mismatch" Findings 422
        "a consumption counts in a period that is not that of its time"
        "The period of a consumption is that of the moment at which it was recorded, and this one's is another."
        "Find out what wrote on the device; the units count where the event puts them.",
    RefundMismatch "refund_mismatch" Findings 422
        "a refund does not follow from the consumptions before it"
        "More was given back than was used, or the consumption that is named does not stand before the refund."
        "Find out what wrote on the device; no use counts below zero.",
    EventAfterClose "event_after_close" Findings 409
        "an event stands after its chain was closed"
        "A closed chain ends; something went on to write on it. The evidence is kept."
        "Find out what wrote on the device after it was deactivated.",
    FileMissing "file_missing" NotFound 404
        "there is no such file or folder"
        "A path that was given does not exist."
        "Check the path.",
    ArchiveDamaged "archive_damaged" Verification 422
        "the archive is damaged or cut short"
        "The archive breaks off or contradicts itself, or one of its entries is not what its checksum says. The other entries of a zip file, and what stands before the damage in a tar file, were taken in. Of a zip file without its end, which holds its directory, nothing can be read."
        "Get the archive again and merge it: what is known already is passed over.",
    ArchiveTooLarge "archive_too_large" Verification 413
        "the archive holds more than is taken from one"
        "An archive may hold 1000000 entries and unpack to 256 GiB, though not to more than 64 MiB and a hundred times its own size. What stands before that place was taken in."
        "Make several archives of it, or unpack it and merge the folder.",
    ArchiveNested "archive_nested" Verification 422
        "an archive lies inside an archive"
        "The entries of an archive are bundles; an archive among them is not opened."
        "Unpack the inner archive and merge it by itself.",
    EntryNameUnsafe "entry_name_unsafe" Verification 422
        "the name of an archive's entry is not a plain path"
        "A name is a relative path in UTF-8, without `..`, backslashes, drive letters or control characters, of at most 1024 bytes in 32 parts of 200 bytes, and no folder in it ends in `.cfgrant`. The entry was not merged, and nothing was written under its name."
        "Find out who made the archive. If the bundle is wanted, make the archive again with plain names.",
    EntryRepeated "entry_repeated" Verification 422
        "two entries of an archive share a name or an answer"
        "Two entries have the same name, or their answers would. The first one was merged."
        "Make the archive again, with a name of its own for each bundle.",
    EntryNotAFile "entry_not_a_file" Verification 422
        "an entry of an archive is not a plain file"
        "Links, devices and files with holes are not followed, and what is encrypted, or packed otherwise than stored or deflated, is not unpacked."
        "Make the archive again from the files themselves, without encryption.",
    Internal "internal" Failed 500
        "this program has a fault"
        "Reading this file led the program into a state that it was not made for. The file was refused and nothing of it is lost; the others were merged."
        "Report it to the makers of Counterfoil with the message on stderr and the output of `counterfoil --version`. Bundles of up to 16 MiB wait in quarantine: `counterfoil quarantine show`. Merge the file again with a newer version.",
    // Decisions about activations.
    NoSeatFree "no_seat_free" Refused 409
        "all activations of this licence are in use"
        "The licence allows a number of devices at one time and they are taken."
        "Deactivate a device that is no longer used, or ask the vendor for more activations.",
    SameDevice "same_device" Refused 409
        "this device has an activation of this licence already"
        "The licence allows one activation on one device, and the fingerprint is that of a device that holds a seat."
        "Use the activation that is there, or ask the vendor to release it.",
    TransfersExhausted "transfers_exhausted" Refused 409
        "no seat may move to another device for now"
        "The licence limits how often a device may take the seat that another gave up, and no seat is left that was never used."
        "Ask again when the window has passed, or ask the vendor.",
    TrialUsed "trial_used" Refused 409
        "this device has had its trial"
        "A product can be tried once on a device, which is recognised by every fingerprint that it ever recorded."
        "Activate with a licence key.",
    TrialTwice "trial_twice" Findings 409
        "a trial on this device was given twice, the first one was lost in a restore"
        "A grant of a trial came back that a restored ledger had lost, and the same device had been given another one since. Both stand, and both are counted."
        "See `counterfoil license show`; take one of them back with `counterfoil activation release CHAIN --override`.",
    FingerprintMissing "fingerprint_missing" Refused 403
        "a device without a fingerprint has no trial"
        "A product can be tried once on a device, and nothing that was read on this one tells it from others, as in some containers."
        "Deactivate, then ask again where the system's machine identifier can be read, such as /etc/machine-id, or activate with a licence key.",
    HealRefused "heal_refused" Refused 403
        "the licence does not allow this device to go on after it was set back"
        "A successor goes on for a chain of the same licence that forked when its device was restored, where the licence allows that and not more often than it allows; a licence file says so before the device ends its old record."
        "Report to the vendor and apply the answer: where the licence allows it, the device goes on then. Otherwise ask the vendor to release the old activation, then activate anew.",
    ReportedLate "reported_late" Findings 409
        "reported after the activation was taken away or while the licence did not stand"
        "Evidence is never refused for what it says: the report was taken in, and its use counts."
        "Find out why the device still worked; see the licence's history.",
    LicenseSuspended "suspended" Refused 403
        "the licence is suspended"
        "The vendor suspended the licence."
        "Ask the vendor.",
    LicenseRevoked "revoked" Refused 403
        "the licence is revoked"
        "The vendor revoked the licence for good."
        "Ask the vendor.",
    LicenseExpired "expired" Refused 403
        "the licence has expired"
        "The licence's last day has passed."
        "Renew the licence, then refresh.",
    // Applying grants.
    GrantSuperseded "superseded" Refused 409
        "a newer licence file was applied already"
        "Licence files are applied in the order in which the vendor issued them; an older one is not taken."
        "Nothing is to be done; use the newest file.",
    GrantForeign "grant_foreign" Refused 409
        "this licence file is for another device"
        "A licence file answers one activation on one device."
        "Give the file that answers this device's request; `status` shows its chain.",
    GrantMismatch "grant_mismatch" Verification 409
        "this licence file is for another product or environment"
        "The grant names another product or environment than the pack."
        "Give the file that the vendor made for this application.",
    GrantLate "grant_late" Refused 409
        "this licence file can no longer be applied"
        "A licence file has to be applied before its import date."
        "Send a report and apply its answer in time: one that came too late is given anew. Where the clock was ahead, or the vendor restored an older ledger, send all: `counterfoil-agent report --all`.",
    GrantNotice "grant_notice" Refused 409
        "the vendor could not answer with a licence"
        "The vendor's answer is a notice: see its code."
        "See the code in the notice.",
    AckUnknown "ack_unknown" Verification 409
        "the vendor holds more of this device's history than the device"
        "The device was set back to an older state, or its state was copied."
        "Restore the device's newest state; or report to the vendor and apply the answer: where its policy heals, the device goes on with a new record. Otherwise deactivate, and activate with the licence key.",
    // What `check` answers.
    Allowed "allowed" Done 200
        "allowed"
        "The licence covers it."
        "Nothing is to be done.",
    CheckInDue "check_in_due" Done 200
        "allowed; the device should check in"
        "The check-in deadline is near or has passed and the grace is running."
        "Report to the vendor and apply the answer.",
    NeedsRepair "needs_repair" Verification 409
        "the device's licence store is damaged"
        "The store does not verify. It is kept as it is, read only, and never taken for unlimited or for zero."
        "Restore it from a backup, or ask the vendor to release the activation and activate anew.",
    NotActivated "not_activated" Refused 403
        "this device is not activated"
        "No licence file was applied yet, or the request was denied."
        "Run `counterfoil-agent activate`, or apply the licence file.",
    Deactivated "deactivated" Refused 403
        "this device was deactivated"
        "The licence was given back on this device."
        "Activate again.",
    Released "released" Refused 403
        "the vendor took this activation back"
        "The seat was given to another device, taken back by an operator, or the device was silent past its deadline."
        "Activate again, or ask the vendor.",
    Forked "forked" Refused 403
        "this device's record was copied or set back"
        "The vendor holds two histories of this device, or more of it than the device has. Unless its policy only flags that, reserved quota is not spent."
        "Report to the vendor and apply the answer: where its policy heals, the device goes on with a new record. Otherwise ask the vendor, who holds both histories.",
    NotStarted "not_started" Refused 403
        "the licence is not valid yet"
        "The licence's first day has not come."
        "Wait, or check the clock.",
    FingerprintMismatch "fingerprint_mismatch" Refused 403
        "this is not the device that was activated"
        "Too few of the device's components are those of the activation, and the grace has passed."
        "Activate this device anew.",
    Overdue "overdue" Refused 403
        "the device has not checked in"
        "The check-in deadline and its grace have passed."
        "Report to the vendor and apply the answer.",
    FeatureAbsent "feature_absent" Refused 403
        "the licence does not include this feature"
        "The feature is not part of the licence."
        "Check its name with `status`, or ask the vendor for it.",
    FeatureExpired "feature_expired" Refused 403
        "this feature has expired"
        "The feature's last day has passed."
        "Renew it, then refresh.",
    VersionNotCovered "version_not_covered" Refused 403
        "this release is newer than the maintenance period"
        "Releases made after the maintenance period are not covered."
        "Renew the maintenance, or use an older release.",
    QuotaExhausted "quota_exhausted" Refused 403
        "the quota of this feature is used up on this device"
        "The device has used all units that it holds for this period, or none were free when it was activated: another device may hold them, such as this one before it was reinstalled."
        "Report to the vendor and apply the answer; it tops the device up while units are free. Where none are, the vendor sees who holds them with `counterfoil license show`, and frees them with `counterfoil activation write-off`.",
    NoQuotaForPeriod "no_quota_for_period" Refused 403
        "this device holds no quota for the present period"
        "Units are granted for certain periods and the present one is not among them."
        "Report to the vendor and apply the answer.",
    // The device.
    Busy "busy" Busy 409
        "another process is writing here"
        "One process at a time writes a state directory or a home; this one waited and gave up."
        "Wait for the other process to end, then try again.",
    ActivationPending "activation_pending" Refused 409
        "another activation is under way here"
        "A state directory holds one activation."
        "Apply the answer to it, or use another `--state` directory.",
    AlreadyActivated "already_activated" Refused 409
        "this device is already activated"
        "A state directory holds one activation."
        "Deactivate first, or use another `--state` directory.",
    FeatureNotMetered "feature_not_metered" Refused 409
        "this feature is not metered"
        "Only metered features are consumed."
        "Use `check` for a feature that is on or off.",
    NotRestored "not_restored" Refused 409
        "nothing asks for a successor of this device's record"
        "A record is followed by another one where the device was set back to an older state and the vendor has it go on so."
        "Nothing is to be done; `status` shows how this device stands.",
    SuccessorPending "successor_pending" Refused 409
        "the vendor has not answered the record that goes on here"
        "The device went on with a new record after it was set back. What is on or off or counted goes on, reserved quota is not spent."
        "Report to the vendor and apply the answer.",
    QuotaNotReserved "quota_not_reserved" Refused 409
        "this feature has no reserved quota"
        "Only units that are reserved for this device can be given back; what is counted freely holds none."
        "See `counterfoil-agent status` for the features with a quota.",
    BlockSpent "block_spent" Refused 409
        "the block has no such units left, or its time is over"
        "Units that were debited as a block are used in the period that they were debited in, and while the record that counts them goes on."
        "Close the block, which refunds what is left of it, and open another.",
    ReturnTooLarge "return_too_large" Refused 409
        "fewer units are left than are to be given back"
        "A device gives back what it was granted for the period and has not used."
        "Give back at most what `status` shows as left.",
    AmountInvalid "amount_invalid" Usage 422
        "the amount is zero or too large"
        "One consumption counts 1 to 4294967295 units."
        "Give an amount in that range.",
    TotalExceeded "total_exceeded" Refused 409
        "the total of this feature would be too large"
        "A total holds at most 9007199254740991 units."
        "Use a larger unit for this feature.",
    UsedAtInFuture "used_at_in_future" Refused 422
        "the time of use lies in the future"
        "Use is recorded when it was, or later."
        "Check the time of use and the clock.",
    TextInvalid "text_invalid" Usage 422
        "a text is too long or holds control characters"
        "Names and values hold at most 256 bytes and a `ref` at most 64, without control characters."
        "Shorten it.",
    BatchInvalid "batch_invalid" Usage 422
        "a line of the batch is not valid"
        "A batch is JSON lines with `feature`, `n` and, where wanted, `ref` and `used_at`."
        "Correct the line; those before it are recorded.",
    KeyUnreadable "key_unreadable" Verification 409
        "the device's key cannot be opened"
        "The key file is missing or was changed."
        "Restore the whole state directory, or activate anew.",
    ServerMissing "server_missing" Usage 422
        "no server is known"
        "No server was named, none is remembered from the activation, and the product pack names none."
        "Give `--server URL` or set COUNTERFOIL_SERVER.",
    ServerInsecure "server_insecure" Usage 422
        "this server would be spoken to in the clear"
        "Over `http://` anybody on the way can read what is reported. Nothing was sent."
        "Give an `https://` address. Where the network between is trusted, `--insecure-http` allows it.",
    ServerUnreachable "server_unreachable" Network 503
        "the server cannot be reached, or the connection was cut"
        "There was no whole answer. Whether the server took in what was sent is not known, and need not be: it is sent again."
        "Try again: nothing that was recorded is lost, and nothing counts twice. See the message behind it; check the address and the connection.",
    ServerUntrusted "server_untrusted" Verification 502
        "the server is not who it should be"
        "Its certificate is not signed by an authority that is trusted here, is for another name or date, or is not the pinned one. Nothing was sent."
        "Check the address and this device's clock. For an authority of your own give `--server-ca FILE`; for a self-signed server `--server-pin HEX`, which `openssl x509 -noout -fingerprint -sha256 -in server.pem` shows.",
    ServerInvalid "server_invalid" Network 502
        "this is not the answer of a licence server"
        "Something answered, but not with a licence file: another service, a sign-in page of a network, or a server at another address."
        "Check the address: it is that of the vendor's service, without `/v1/exchange`.",
    PackMissing "pack_missing" Usage 422
        "no product pack was given"
        "The agent needs the pack that ships with the application."
        "Give `--pack FILE` or set COUNTERFOIL_PACK.",
    // The vendor.
    HomeMissing "home_missing" NotFound 404
        "there is no home here"
        "The vendor's keys and ledger live in a home directory."
        "Run `counterfoil init`, or give `--home DIR` or COUNTERFOIL_HOME.",
    HomeExists "home_exists" Failed 409
        "there is a home here already"
        "`init` and `restore` never overwrite keys or a ledger."
        "Use it, or give another `--home DIR`.",
    HomeDamaged "home_damaged" Verification 409
        "the home is damaged"
        "A file of the home is missing, was changed, or does not belong to the others."
        "Restore the home from a backup; `counterfoil doctor` names the file.",
    RootKeyMissing "root_key_missing" NotFound 404
        "the root key is not here"
        "Packs and certificates are signed by the root key, which may be kept elsewhere."
        "Give `--root-key FILE` or set COUNTERFOIL_ROOT_KEY.",
    PassphraseWrong "passphrase_wrong" Refused 403
        "the passphrase does not open the root key"
        "The root key's file is sealed with a passphrase."
        "Give the right passphrase by `--passphrase-file` or COUNTERFOIL_ROOT_PASSPHRASE.",
    ProductUnknown "product_unknown" NotFound 404
        "there is no such product"
        "No product has this identifier."
        "See `counterfoil product list`.",
    ProductExists "product_exists" Failed 409
        "there is such a product already"
        "A product is created once."
        "Use it, or choose another identifier.",
    PolicyUnknown "policy_unknown" NotFound 404
        "there is no such policy"
        "No policy has this name."
        "See `counterfoil policy list`.",
    PolicyExists "policy_exists" Failed 409
        "there is such a policy already"
        "A policy is created once."
        "Use it, or choose another name.",
    FeatureUnknown "feature_unknown" NotFound 404
        "the product has no such feature"
        "Features are defined with their product."
        "See `counterfoil product show`.",
    CustomerUnknown "customer_unknown" NotFound 404
        "there is no such customer"
        "No customer has this name or identifier."
        "See `counterfoil customer list`.",
    LicenseNotFound "license_not_found" NotFound 404
        "there is no such licence"
        "No licence has this identifier or key."
        "See `counterfoil license list`.",
    ForkUnknown "fork_unknown" NotFound 404
        "no such fork is known"
        "No device chain that has forked begins with this name."
        "See `counterfoil audit forks`.",
    ChainUnknown "chain_unknown" NotFound 404
        "there is no such activation"
        "No device chain of this name is in the ledger."
        "See `counterfoil activation list`; `counterfoil-agent status` shows a device's chain.",
    EventUnknown "event_unknown" NotFound 404
        "there is no such event"
        "The licence has no event at this place of this chain."
        "See `counterfoil audit history LICENSE`; `counterfoil export events` has single consumptions too.",
    QuarantineUnknown "quarantine_unknown" NotFound 404
        "there is no such entry in quarantine"
        "No entry has this number."
        "See `counterfoil quarantine list`.",
    LicenseKeyMistyped "license_key_mistyped" Usage 422
        "the licence key is mistyped"
        "Each group of a licence key ends in a check symbol, and one does not match."
        "Type the group that is named again.",
    TermsInvalid "terms_invalid" Usage 422
        "these terms contradict each other"
        "Quotas belong to metered features, dates follow each other, shares stay below limits."
        "See the message and correct the option.",
    PackFull "pack_full" Usage 422
        "the product's packs hold no more"
        "Devices take a pack up to a length, and typed codes name so many policies of a product. Neither features nor air-gapped policies are ever taken out of a product again, so that nothing was changed."
        "Define the policy without `--air-gapped`, or for another product.",
    StatusUnchanged "status_unchanged" Refused 409
        "nothing would change: the licence or the activation is not in a state for this"
        "A revoked licence stays revoked, only a suspended one can be resumed, a seat is taken back once, and what a device does not hold cannot be written off."
        "See `counterfoil license show` and `counterfoil activation show`.",
    NoDeadline "no_deadline" Refused 409
        "the device has no check-in deadline"
        "Without a deadline the device may work for ever, so nothing that it holds is certain to be free."
        "Give `--override` to decide it all the same; that is recorded.",
    NotSilent "not_silent" Refused 409
        "the device may still be at work"
        "What a silent device holds is written off when its check-in deadline, the grace and the clock tolerance have passed."
        "Wait until then, or give `--override` to decide it all the same; that is recorded.",
    TrialExists "trial_exists" Failed 409
        "the product has its trial already"
        "All devices that try a product share one licence, which is issued once."
        "Use `counterfoil license change` to change it.",
    AnswersCollide "answers_collide" Usage 409
        "two files would share one answer"
        "Answers are named after the files that they answer."
        "Give folders, or files of different names.",
    CsvInvalid "csv_invalid" Usage 422
        "a line of the CSV file is not valid"
        "The first line names the columns; see `counterfoil license import --help`. Nothing was imported."
        "Correct the line and run it again.",
    ProjectionMismatch "projection_mismatch" Findings 409
        "the ledger's tables do not follow from its events"
        "A rebuild from the signed events gives other rows."
        "Run `counterfoil rebuild` to make the tables anew, and find out what wrote to them.",
    AuditFailed "audit_failed" Verification 409
        "the ledger's events do not verify"
        "A stored run breaks its chain or a signature does not verify."
        "Keep this ledger as evidence, and compare it with a copy; see docs/operations.md.",
    PeriodUnknown "period_unknown" NotFound 404
        "there is no such period"
        "The licence has no such period of this feature, or the feature's use is counted for the licence's whole life."
        "See `counterfoil period list`.",
    SealMismatch "seal_mismatch" Verification 409
        "a sealed figure does not follow from the evidence"
        "The stored runs, up to the heads that were known when the period was sealed, give another figure or another digest."
        "Run `counterfoil audit verify --deep`; keep this ledger as evidence, and compare it with a copy.",
    BackupDamaged "backup_damaged" Verification 422
        "the backup is damaged"
        "A part of the backup is missing or is not what its manifest says. Nothing was restored."
        "Restore from another backup.",
    StoreUnsupported "store_unsupported" Usage 422
        "this kind of store is not supported"
        "The ledger is kept in SQLite or in PostgreSQL."
        "Give `sqlite:`, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`, or leave the option out.",
    StoreOccupied "store_occupied" Refused 409
        "there is a ledger already"
        "A new ledger is made only where there is none, so that no other one is lost or mixed up with it."
        "Name another file or an empty database.",
    StoreChanged "store_changed" Refused 409
        "the ledger changed while it was copied"
        "The copy is the ledger as it stood when copying began, and something was written since. The home goes on with the ledger that it had."
        "Stop whatever writes to the ledger, and copy to another place.",
    OutcomeUnknown "outcome_unknown" Network 503
        "whether the last change was made is not known"
        "The connection to the database was lost while the change was being acknowledged, and the server could not be asked in time."
        "See whether it was made before you make it again. Merging the same files again is always safe.",
    StoreUnsafe "store_unsafe" Refused 503
        "the database may lose what it has acknowledged"
        "The server runs with `fsync` or `full_page_writes` off, so that a power cut may damage its tables, or the database does not hold every text (its encoding is not UTF8)."
        "Switch the setting on in `postgresql.conf` and restart the server, or make the database with `ENCODING UTF8`.",
    CitusMissing "citus_missing" Refused 409
        "the database has no Citus"
        "A ledger is spread over several machines by Citus, an extension of PostgreSQL. This one is kept in a file, or in a database without Citus 11 or later. Nothing was changed."
        "Move a ledger from a file with `counterfoil store copy --to postgres://… --switch`. Put `citus` into `shared_preload_libraries` in `postgresql.conf`, restart the server, and run `CREATE EXTENSION citus` in the database.",
    StoreUnreachable "store_unreachable" Network 503
        "the database cannot be reached"
        "There is no connection to the server, or it was lost and did not come back in time. What was not acknowledged was not done."
        "See the message behind it; check that the server runs, then try again: what was done is not done twice.",
    StoreFailed "store_failed" Failed 500
        "the ledger could not be read or written"
        "The database refused."
        "See the message behind it; check disk space and permissions.",
    CursorInvalid "cursor_invalid" Usage 400
        "the cursor does not belong to this list"
        "A cursor goes on where a page ended, in the same list with the same filter."
        "Ask for the first page again, without a cursor.",
    TokenUnknown "token_unknown" NotFound 404
        "there is no such token"
        "The token is not among those that were made."
        "See `counterfoil token list`.",
    WebhookUnknown "webhook_unknown" NotFound 404
        "there is no such endpoint"
        "The endpoint is not among those to which webhooks are sent; it may have been removed."
        "See `counterfoil webhook list`.",
    WebhookUrlInvalid "webhook_url_invalid" Usage 422
        "webhooks cannot be sent to this URL"
        "An endpoint is an `https` URL with a host, without a name or password and without a fragment, of at most 2,048 bytes."
        "Correct the URL. `http` is for an endpoint on one's own network, with `--allow-private`.",
    WebhookAddressRefused "webhook_address_refused" Refused 422
        "webhooks are not sent to this address"
        "The endpoint is, or its name stands for, an address that is not a public one: of this machine, of a private network, or one that is never an endpoint. Whoever may name an endpoint could otherwise reach through the service what is not for them."
        "Name an endpoint that is public. One on one's own network needs `--allow-private`; link-local and metadata addresses are always refused.",
    WebhookDisabled "webhook_disabled" Refused 409
        "the endpoint is disabled"
        "It answered that it is gone for good (410), and nothing is sent to it any more."
        "Create it anew once it takes messages again, and remove the old one.",
    WebhooksFull "webhooks_full" Refused 409
        "there are too many endpoints"
        "A ledger has at most 64 endpoints, those that are disabled among them."
        "Remove one that is not needed with `counterfoil webhook remove`.",
    DeliveryUnknown "delivery_unknown" NotFound 404
        "there is no such message"
        "The message was never written, its endpoint was removed, or it was delivered so long ago that it is not kept any more."
        "See `counterfoil webhook deliveries`.",
    Unauthorized "unauthorized" Refused 401
        "a token is needed"
        "The request carries no token, or one that is not known, has expired or was revoked."
        "Make one with `counterfoil token create`, and send it as `Authorization: Bearer …`.",
    Forbidden "forbidden" Refused 403
        "the token does not allow this"
        "Its role may read this at most, or not even that."
        "Ask an admin for a token with the role that is named.",
    ListenFailed "listen_failed" Network 503
        "the service cannot listen"
        "The address is taken, is not one of this machine, or may not be used."
        "Give another one with `--listen`, or end what uses it.",
    ListenInsecure "listen_insecure" Usage 422
        "others could read along"
        "The service would be reached over the network without encryption: the address is not a loopback one, and there is neither a certificate nor a proxy in front."
        "Give `--tls-cert` and `--tls-key`; or name the proxy that encrypts with `--behind-proxy`; or listen on 127.0.0.1.",
    TlsInvalid "tls_invalid" Usage 422
        "the certificate cannot be used"
        "The files of `--tls-cert` and `--tls-key` are not a certificate chain and its private key in PEM."
        "Give the chain with the server's certificate first, and the key that belongs to it.",
    RouteUnknown "route_unknown" NotFound 404
        "there is nothing at this address"
        "The service has no such path."
        "See `/openapi.json`.",
    MethodNotAllowed "method_not_allowed" Usage 405
        "this cannot be done here"
        "The path is known, but not with this HTTP method."
        "See the answer's `Allow` header and `/openapi.json`.",
    MediaTypeUnsupported "media_type_unsupported" Usage 415
        "the content is not of a kind that is taken here"
        "The request's `Content-Type` says that it is something else, or says nothing."
        "Send a bundle as `application/vnd.counterfoil.bundle`, JSON as `application/json`, a table as `text/csv`.",
    RequestInvalid "request_invalid" Usage 400
        "the request is not understood"
        "A part of it is missing, or is not of the form that is asked for."
        "See the detail and `/openapi.json`.",
    CrossSite "cross_site" Refused 403
        "the request was made by another site"
        "A browser sent the form, and not from a page of this service, or the request does not say from where. Nothing of it was taken in."
        "Open the portal's own page and give the file there; programs send bundles to `/v1/exchange`.",
    RequestTimeout "request_timeout" Network 408
        "the request did not come to its end in time"
        "Its body came too slowly. Nothing of it was taken in."
        "Send it again, in smaller parts where the connection is slow.",
    RateLimited "rate_limited" Busy 429
        "too many requests"
        "More came from one address, or for one licence, than are taken in such a time. Nothing of this one was taken in."
        "Wait as long as `Retry-After` says, then send it again.",
    Overloaded "overloaded" Busy 503
        "the service has too much to do"
        "More is waiting than can be held, or the service is ending. Nothing of this request was taken in."
        "Wait as long as `Retry-After` says, then send it again.",
    ReferenceAmbiguous "reference_ambiguous" Usage 422
        "more than one thing is called so"
        "The beginning of a name that was given is the beginning of several."
        "Give more of it, or all.",
    ImportUnknown "import_unknown" NotFound 404
        "there is no such import"
        "No import of this service has this identifier: it is of another one, or was done so long ago that it was removed."
        "See `GET /v1/imports`.",
    ImportUnfinished "import_unfinished" Refused 409
        "the import is not done"
        "What this asks for is there when all of it was merged. It is not yet, or it failed."
        "See how far it has come with `GET /v1/imports/ID`.",
    IdempotencyKeyReused "idempotency_key_reused" Usage 422
        "this Idempotency-Key was used for another request"
        "A request with the same `Idempotency-Key` and another content or path came before. Nothing of this one was done."
        "Use a new key for each new request, and the same only to send the same again.",
    RequestUnfinished "request_unfinished" Refused 409
        "it is not known what became of the same request"
        "A request with the same `Idempotency-Key` is being worked on, or the service ended while it was: it may have been done."
        "Wait, and look whether it was done. If it was not, send it with a new key.",
    PreconditionFailed "precondition_failed" Refused 412
        "it was changed meanwhile"
        "What the change was meant for is not what stands now: somebody else changed it since it was read. Nothing was changed."
        "Read it again, and send the change with its new `ETag` if it is still meant.",
    PreconditionRequired "precondition_required" Usage 428
        "the request does not say what it changes"
        "A change of a licence names the `ETag` that the licence had when it was read, so that two operators do not overwrite each other."
        "Read the licence and send its `ETag` as `If-Match`; `*` changes whatever stands.",
    QuarantineFull "quarantine_full" Busy 503
        "there is no room for what cannot be merged"
        "What callers hand in and cannot be merged is kept until it is looked at, up to a bound. It is reached, so that this was not kept. What of it could be merged is merged."
        "Send it again later. At the vendor: `counterfoil quarantine list`, then `quarantine retry` or `quarantine drop`.",
    NotReady "not_ready" Failed 503
        "the service is not ready"
        "The ledger cannot be written, the certificate of the issuer key is not valid now, or the clock has gone back."
        "See the detail, and `counterfoil doctor`.",
    ConfigInvalid "config_invalid" Usage 422
        "the configuration is not valid"
        "The configuration file holds something that is not understood."
        "See `counterfoil config show` and correct it.",
    AgentMissing "agent_missing" NotFound 404
        "the program counterfoil-agent was not found"
        "The demo plays its devices with the real agent, which is looked for beside this program and on the PATH."
        "Build or install counterfoil-agent; from the sources: `cargo build --release`.",
    CodeUnknown "code_unknown" NotFound 404
        "there is no such code"
        "The table of codes does not hold this word."
        "See `counterfoil explain` for all of them.",
    Usage "usage" Usage 400
        "the command line is not valid"
        "An option or argument is missing or not understood."
        "See `--help`.",
    Failed "failed" Failed 500
        "it failed"
        "Something outside the program went wrong."
        "See the message behind it.",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_unique_and_read_back() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.word().parse(), Ok(*code));
        }
    }
}
