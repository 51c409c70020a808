//! The home: the directory that holds a vendor's keys and says where the ledger is.
//!
//! ```text
//! home.toml          what is public: version, environment, store, public keys, portal
//! config.toml        options, where the operator wants some (see `config.rs`)
//! keys/root.key      the root key, sealed where a passphrase was given; it may be moved away (see `root_key.rs`)
//! keys/issuer.key    the issuer key's seed, 32 bytes
//! keys/issuer.cert   the root key's certificate for it
//! keys/sealing.key   the X25519 key that messages to the vendor are sealed to, 32 bytes
//! keys/license.key   what licence keys are derived from, 32 bytes
//! ledger.db          the ledger, unless the store is elsewhere
//! ```
//!
//! Directories are the owner's only (0700), and so are secrets (0600). What the ledger holds is not known here.

mod backup;
mod files;
mod pack;
mod root_key;
mod store_url;

use std::io;
use std::path::Path;

use ledger::codes::agreement::SealingSecret;
use ledger::keys::SecretKey;
use ledger::license_key::KeySecret;
use ledger::trust::{self, TrustedIssuer};
use schemas::certificate::CertificateBody;
use schemas::codes::Code;
use schemas::ids::{PublicKey, SealingKey};
use schemas::numbers::{Micros, Seconds};
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::backup::{Backup, Part};
pub use self::files::Layout;
pub(crate) use self::files::make_private_directory;
pub use self::pack::{PackContent, build_pack};
pub use self::root_key::{Passphrase, RootKeyFile};
pub use self::store_url::StoreUrl;
use crate::store::Place;

/// The version of the home's layout that this program writes.
const VERSION: u32 = 1;
/// How long an issuer certificate is valid.
const CERTIFIED_FOR: Seconds = Seconds::days(730);
/// How far before its making a certificate begins, so that a clock that is set back a little changes nothing.
const BACKDATED: Seconds = Seconds(3_600);

/// What a new home is made from.
#[derive(Debug)]
pub struct NewHome {
    /// The environment that its grants and packs name, such as `production`.
    pub environment: Text,
    /// Where the ledger is kept.
    pub store: StoreUrl,
    /// Where the portal is, for packs.
    pub portal: Option<Text>,
    /// Seals the root key.
    pub passphrase: Option<Passphrase>,
    /// The present.
    pub now: Micros,
}

/// An open home: the keys that daily work needs. The root key is read only when it is asked for.
#[derive(Debug)]
pub struct Home {
    layout: Layout,
    settings: Settings,
    issuer: SecretKey,
    certificate: TrustedIssuer,
    key_secret: KeySecret,
}

impl Home {
    /// Makes a home at `dir`: new keys, a certificate, and whatever `fill` puts into it, such as an empty ledger.
    ///
    /// All is made in a directory beside `dir` that takes its place at the end: what is interrupted or refused
    /// leaves no home. `fill` sees the home at that other place and must leave no file open.
    ///
    /// # Errors
    /// `home_exists` where there is one; whatever `fill` refuses; `io_failed`.
    pub fn create(
        dir: &Path,
        new: &NewHome,
        fill: impl FnOnce(Self) -> Result<(), Refusal>,
    ) -> Result<Self, Refusal> {
        files::refuse_occupied(dir)?;
        let building = files::building_site(dir)?;
        let layout = Layout::new(building.path());
        write_new(&layout, new)?;
        fill(Self::open(layout.dir())?)?;
        files::put_in_place(building, dir)?;
        Self::open(dir)
    }

    /// Opens the home at `dir`.
    ///
    /// # Errors
    /// `home_missing`; `home_damaged` when a file is missing or does not belong to the others.
    pub fn open(dir: &Path) -> Result<Self, Refusal> {
        let layout = Layout::new(dir);
        let settings = Settings::read(&layout.settings())?;
        let issuer = SecretKey::from_seed(&*files::read_secret(&layout.issuer_key())?);
        let certificate = read_certificate(&layout.issuer_cert(), &settings.root_public)?;
        let key_secret = KeySecret::new(*files::read_secret(&layout.license_key())?);
        if certificate.body.issuer != issuer.public() {
            return Err(damaged(&layout.issuer_key(), "it is not the key of the certificate beside it"));
        }
        if sealing_public(&*files::read_secret(&layout.sealing_key())?) != settings.sealing_public {
            return Err(damaged(&layout.sealing_key(), "it is not the key that home.toml names"));
        }
        Ok(Self { layout, settings, issuer, certificate, key_secret })
    }

    /// Where the home's files are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The environment that grants and packs name.
    pub fn environment(&self) -> &Text {
        &self.settings.environment
    }

    /// Where the ledger is kept, as `init` was told.
    pub fn store(&self) -> &StoreUrl {
        &self.settings.store
    }

    /// Where the ledger is.
    pub fn ledger(&self) -> Place {
        self.settings.store.place(self.layout.dir())
    }

    /// Lets the home use the ledger at `store` from now on.
    ///
    /// # Errors
    /// `io_failed`.
    pub fn use_store(&self, store: &StoreUrl) -> Result<(), Refusal> {
        let settings = Settings { store: store.clone(), ..self.settings.clone() };
        files::write_shared(&self.layout.settings(), settings.to_toml().as_bytes())
    }

    /// The portal's address, as `init` was told.
    pub fn portal(&self) -> Option<&Text> {
        self.settings.portal.as_ref()
    }

    /// The root key's public half.
    pub fn root_public(&self) -> &PublicKey {
        &self.settings.root_public
    }

    /// The public half of the key that messages to the vendor are sealed to.
    pub fn sealing_public(&self) -> &SealingKey {
        &self.settings.sealing_public
    }

    /// The key that signs grants, notices and the vendor's chains.
    pub fn issuer(&self) -> &SecretKey {
        &self.issuer
    }

    /// The issuer key's certificate, decoded.
    pub fn trusted_issuer(&self) -> &TrustedIssuer {
        &self.certificate
    }

    /// The issuer key's certificate, as it is carried.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate.bytes
    }

    /// The key that signs the codes of a product's pack of this version.
    pub fn code_key(&self, product: &Text, version: u32) -> SecretKey {
        let context = [&version.to_be_bytes(), product.as_str().as_bytes()].concat();
        SecretKey::from_seed(&self.key_secret.derive(b"cf/codekey/1", &context))
    }

    /// The secret of the key that messages to the vendor are sealed to.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sealing_secret(&self) -> Result<SealingSecret, Refusal> {
        Ok(SealingSecret::from_bytes(&*files::read_secret(&self.layout.sealing_key())?))
    }

    /// What licence keys, and the keys of packs, are derived from.
    pub fn key_secret(&self) -> &KeySecret {
        &self.key_secret
    }

    /// Opens the root key, in the home or at `path` where it was moved to.
    ///
    /// # Errors
    /// `root_key_missing` when there is none or it is another home's; `passphrase_wrong` when a sealed one does
    /// not open; `home_damaged` when the file is not a root key's.
    pub fn root_key(
        &self,
        path: Option<&Path>,
        passphrase: Option<&Passphrase>,
    ) -> Result<SecretKey, Refusal> {
        let in_home = self.layout.root_key();
        let path = path.unwrap_or(&in_home);
        let key = RootKeyFile::read(path)?.open(passphrase).map_err(|refusal| refusal.at(path.display()))?;
        if key.public() != self.settings.root_public {
            return Err(
                Refusal::new(Code::RootKeyMissing, "this is another home's root key").at(path.display())
            );
        }
        Ok(key)
    }
}

/// What `home.toml` holds.
#[derive(Clone, Debug)]
struct Settings {
    environment: Text,
    store: StoreUrl,
    portal: Option<Text>,
    root_public: PublicKey,
    sealing_public: SealingKey,
}

/// `home.toml` as it is written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    version: u32,
    environment: String,
    store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    portal: Option<String>,
    root_public: String,
    sealing_public: String,
}

impl Settings {
    fn read(path: &Path) -> Result<Self, Refusal> {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Refusal::new(Code::HomeMissing, path.display().to_string())
            }
            io::ErrorKind::InvalidData => damaged(path, "it is not text"),
            _ => files::io_failed(path, &error),
        })?;
        let file: SettingsFile = toml::from_str(&text).map_err(|error| damaged(path, error.message()))?;
        if file.version != VERSION {
            return Err(Refusal::new(Code::UnsupportedVersion, path.display().to_string()));
        }
        Self::parse(&file).ok_or_else(|| damaged(path, "a value is not valid"))
    }

    fn parse(file: &SettingsFile) -> Option<Self> {
        Some(Self {
            environment: Text::new(&file.environment)?,
            store: StoreUrl::parse(&file.store).ok()?,
            portal: match &file.portal {
                Some(portal) => Some(Text::new(portal)?),
                None => None,
            },
            root_public: file.root_public.parse().ok()?,
            sealing_public: file.sealing_public.parse().ok()?,
        })
    }

    fn to_toml(&self) -> String {
        let file = SettingsFile {
            version: VERSION,
            environment: self.environment.to_string(),
            store: self.store.whole(),
            portal: self.portal.as_ref().map(Text::to_string),
            root_public: self.root_public.to_string(),
            sealing_public: self.sealing_public.to_string(),
        };
        toml::to_string(&file).expect("texts and a number are TOML")
    }
}

fn write_new(layout: &Layout, new: &NewHome) -> Result<(), Refusal> {
    let root = SecretKey::generate().map_err(files::no_randomness)?;
    let issuer = SecretKey::generate().map_err(files::no_randomness)?;
    let sealing = files::random_secret()?;
    let certificate = CertificateBody {
        root: root.public(),
        issuer: issuer.public(),
        environment: new.environment.clone(),
        products: Vec::new(),
        not_before: new.now - BACKDATED,
        not_after: new.now + CERTIFIED_FOR,
    };
    let settings = Settings {
        environment: new.environment.clone(),
        store: new.store.clone(),
        portal: new.portal.clone(),
        root_public: root.public(),
        sealing_public: sealing_public(&sealing),
    };
    files::make_private_directory(&layout.keys())?;
    RootKeyFile::seal(&root, new.passphrase.as_ref())?.write(&layout.root_key())?;
    files::write_secret(&layout.issuer_key(), &*issuer.seed())?;
    files::write_shared(&layout.issuer_cert(), &trust::sign_certificate(&certificate, &root))?;
    files::write_secret(&layout.sealing_key(), &*sealing)?;
    files::write_secret(&layout.license_key(), &*files::random_secret()?)?;
    files::write_shared(&layout.settings(), settings.to_toml().as_bytes())
}

fn read_certificate(path: &Path, root: &PublicKey) -> Result<TrustedIssuer, Refusal> {
    let bytes = files::read(path)?;
    trust::verify_certificate(&bytes, root)
        .map_err(|error| Refusal::from_error(Code::HomeDamaged, &error).at(path.display()))
}

fn sealing_public(secret: &[u8; 32]) -> SealingKey {
    let secret = x25519_dalek::StaticSecret::from(*secret);
    SealingKey(x25519_dalek::PublicKey::from(&secret).to_bytes())
}

fn damaged(path: &Path, what: &str) -> Refusal {
    Refusal::new(Code::HomeDamaged, what).at(path.display())
}

/// A secret that is wiped from memory when it is dropped.
type Secret = Zeroizing<[u8; 32]>;

#[cfg(test)]
mod tests;
