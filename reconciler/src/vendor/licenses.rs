//! Licences: issued from a policy, changed, suspended, resumed, revoked.

use ledger::authority::{License, Standing};
use ledger::commitment;
use ledger::draft::Draft;
use ledger::license_key::{self, LicenseKey};
use ledger::quotas;
use schemas::bundle::Attachment;
use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{EntitlementChanged, LicenseIssued, LicenseStatusChanged};
use schemas::ids::{ChainId, CustomerId, KeyReference, LicenseId};
use schemas::numbers::Epoch;
use schemas::refusal::Refusal;
use schemas::run::AuthorityOrigin;
use schemas::terms::{Policy, Terms};
use schemas::text::Text;

use super::Vendor;
use super::customers::customer_name;
use super::products::{NewFeature, number};
use crate::options::{PolicyOptions, of_trial, resolve};
use crate::store::{Change, LicenseFilter, StoreError};

/// A licence that was just issued. The key is shown once and can be derived again from the home.
#[derive(Debug)]
pub struct IssuedLicense {
    /// The licence.
    pub id: LicenseId,
    /// Its key.
    pub key: LicenseKey,
    /// The customer.
    pub customer: CustomerId,
    /// Whether it is the product's trial, which devices ask for without a key.
    pub is_trial: bool,
}

/// What is asked for when a licence is issued.
#[derive(Clone, Debug)]
pub struct Order {
    /// The terms' template.
    pub policy: Policy,
    /// The customer.
    pub customer: CustomerId,
    /// Whether it is the product's trial, which all devices that try the product share.
    pub is_trial: bool,
}

/// What is asked for when licences are issued from a policy.
#[derive(Clone, Copy, Debug)]
pub struct IssueOrder<'a> {
    /// The policy.
    pub policy: &'a Text,
    /// The customer, by name or identifier; a new name adds one. Of a product's trial it may be left out.
    pub customer: Option<&'a Text>,
    /// Whether it is the product's trial.
    pub is_trial: bool,
    /// How many of the same.
    pub count: u32,
    /// What departs from the policy.
    pub overrides: &'a PolicyOptions,
}

/// What an operator must have seen of a licence for a change of it: the revision of its terms, and how it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LicenseVersion(String);

impl LicenseVersion {
    /// That of a licence.
    pub fn of(license: &License) -> Self {
        Self(format!("{}-{}", license.terms.entitlement.revision, license.standing.word()))
    }

    /// What somebody says that they saw.
    pub fn seen(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text that stands for it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses a change by somebody who saw another one.
    fn check(seen: Option<&Self>, license: &License) -> Result<(), Refusal> {
        let now = Self::of(license);
        match seen {
            Some(seen) if *seen != now => {
                Err(Refusal::new(Code::PreconditionFailed, format!("it is {} by now", now.0)))
            }
            _ => Ok(()),
        }
    }
}

/// Which licences are listed, by the names that people use.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this product.
    pub product: Option<Text>,
    /// Issued from this policy.
    pub policy: Option<Text>,
    /// Of this customer, by name or identifier.
    pub customer: Option<String>,
    /// Standing so.
    pub standing: Option<String>,
    /// Only those after this one.
    pub after: Option<LicenseId>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// What is done to a licence's standing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StandingChange {
    /// Its devices are told that it is suspended.
    Suspend,
    /// It stands again.
    Resume,
    /// It ends for good.
    Revoke,
}

/// Whose a product's trial is where nobody is named.
const TRIAL_CUSTOMER: &str = "trial";
/// Licences that one commit issues.
pub(crate) const PER_COMMIT: u32 = 500;

impl Vendor {
    /// Issues a licence for each order, in commits of some hundred; each commit is whole.
    ///
    /// `told` hears of each licence once it is stored.
    ///
    /// # Errors
    /// `trial_exists`; when the ledger cannot be changed; licences that were told of are there.
    pub fn issue(
        &mut self,
        orders: &[Order],
        told: &mut dyn FnMut(IssuedLicense) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for orders in orders.chunks(PER_COMMIT as usize) {
            for issued in self.issue_together(orders)? {
                told(issued)?;
            }
        }
        Ok(())
    }

    /// Issues licences from a policy. `told` hears of each, and of its customer's name, once it is stored.
    ///
    /// # Errors
    /// `policy_unknown`; those of [`PolicyOptions::overriding`] and [`Vendor::issue`].
    pub fn issue_from(
        &mut self,
        order: &IssueOrder<'_>,
        told: &mut dyn FnMut(IssuedLicense, &str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let IssueOrder { policy, customer, is_trial, count, overrides } = *order;
        let policy = self.policy(policy)?;
        let product = self.product(&policy.product)?;
        let mut policy = overrides.overriding(&policy, &product.features)?;
        if is_trial {
            policy = of_trial(policy, overrides.max_activations)?;
        }
        let name = customer.cloned().unwrap_or_else(|| Text::new(TRIAL_CUSTOMER).expect("a short word"));
        refuse_too_long(&resolve(&policy, self.now))?;
        let customer = self.customer_of(&name)?;
        // It may have been named by its identifier.
        let catalog = self.catalog()?;
        let known = customer_name(self.store.as_mut(), &catalog, &customer)?.unwrap_or_default();
        let orders = vec![Order { policy, customer, is_trial }; count as usize];
        self.issue(&orders, &mut |issued| told(issued, &known))
    }

    /// A licence by its identifier or its key.
    ///
    /// # Errors
    /// `license_not_found`; `license_key_mistyped` when a key's check symbol does not match.
    pub fn find_license(&mut self, wanted: &str) -> Result<License, Refusal> {
        let not_found = || Refusal::new(Code::LicenseNotFound, wanted);
        let id = if let Some(id) = LicenseId::parse(wanted) {
            id
        } else {
            // Only what has a key's length is told to be a mistyped key.
            let looks_like_key = wanted.chars().filter(char::is_ascii_alphanumeric).count() == 28;
            let key = LicenseKey::parse(wanted).map_err(|error| {
                if looks_like_key {
                    Refusal::from_error(Code::LicenseKeyMistyped, &error)
                } else {
                    not_found()
                }
            })?;
            self.store.license_of_key(&key.reference())?.ok_or_else(not_found)?
        };
        self.store.license(&id)?.ok_or_else(not_found)
    }

    /// The licence of a whole key, whose secret part proves that whoever typed it holds it.
    ///
    /// # Errors
    /// `license_key_mistyped`; `license_not_found` also where only the secret part is wrong.
    pub fn license_of_holder(&mut self, typed: &str) -> Result<License, Refusal> {
        let key = LicenseKey::parse(typed)
            .map_err(|error| Refusal::from_error(Code::LicenseKeyMistyped, &error))?;
        let known = self.store.license_of_key(&key.reference())?.ok_or(Code::LicenseNotFound)?;
        let license = self.store.license(&known)?.ok_or(Code::LicenseNotFound)?;
        if is_same(&self.license_key(&license), &key) {
            Ok(license)
        } else {
            Err(Code::LicenseNotFound.into())
        }
    }

    /// The filter that finds what is wanted.
    ///
    /// # Errors
    /// `product_unknown`, `policy_unknown`, `customer_unknown` where it names what does not exist.
    pub fn license_filter(&mut self, wanted: Wanted) -> Result<LicenseFilter, Refusal> {
        let Wanted { product, policy, customer, standing, after, limit } = wanted;
        if let Some(product) = &product {
            self.product(product)?;
        }
        if let Some(policy) = &policy {
            self.policy(policy)?;
        }
        let customers = customer.map(|customer| self.find_customers(&customer)).transpose()?;
        Ok(LicenseFilter {
            product: product.map(|product| product.to_string()),
            policy: policy.map(|policy| policy.to_string()),
            customers: customers.map(|customers| customers.into_iter().collect()),
            standing,
            after,
            limit,
        })
    }

    /// The key of a licence, derived again.
    pub fn license_key(&self, license: &License) -> LicenseKey {
        self.home.key_secret().license_key(license.key)
    }

    /// Changes a licence as the options say; features that its product lacks are defined as on or off first. Who says what
    /// they `saw` overwrites nobody's change.
    ///
    /// # Errors
    /// `precondition_failed`; those of [`PolicyOptions::change`]; when the ledger cannot be changed.
    pub fn change_by(
        &mut self,
        license: &License,
        let_go: &[Text],
        changes: &PolicyOptions,
        reason: Option<&str>,
        saw: Option<&LicenseVersion>,
    ) -> Result<License, Refusal> {
        LicenseVersion::check(saw, license)?;
        let known = self.product(&license.product)?.features;
        let undefined = changes.undefined(&known);
        let known = if undefined.is_empty() {
            known
        } else {
            let new: Vec<NewFeature> =
                undefined.into_iter().map(|name| NewFeature { name, metered: false }).collect();
            // Refuse what contradicts itself before the product is changed.
            changes.change(let_go, &license.terms, &number(&known, &new)?)?;
            self.add_features(&license.product, &new)?.features
        };
        self.change_terms(&license.id, reason, saw, |terms| changes.change(let_go, terms, &known))
    }

    /// Replaces a licence's terms. Terms that are the same but for their revision write nothing.
    ///
    /// # Errors
    /// When the ledger cannot be changed, or `change` refuses.
    pub fn change_terms(
        &mut self,
        license: &LicenseId,
        reason: Option<&str>,
        saw: Option<&LicenseVersion>,
        change: impl Fn(&Terms) -> Result<Terms, Refusal>,
    ) -> Result<License, Refusal> {
        let attachment = reason_attachment(reason)?;
        self.change_license(license, attachment.as_ref(), |draft| {
            LicenseVersion::check(saw, draft.license())?;
            let old = &draft.license().terms;
            let terms = change(old)?;
            let mut compared = terms.clone();
            compared.entitlement.revision = old.entitlement.revision;
            if compared != *old {
                refuse_too_long(&terms)?;
                let reason = attachment.as_ref().map(|attachment| attachment.commitment);
                draft.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason })))?;
            }
            Ok(())
        })
    }

    /// Suspends, resumes or revokes a licence.
    ///
    /// # Errors
    /// `status_unchanged` when the licence is not in a state for it; `precondition_failed` when it is not as they `saw`.
    pub fn change_standing(
        &mut self,
        license: &LicenseId,
        change: StandingChange,
        reason: Option<&str>,
        saw: Option<&LicenseVersion>,
    ) -> Result<License, Refusal> {
        let attachment = reason_attachment(reason)?;
        let body =
            LicenseStatusChanged { reason: attachment.as_ref().map(|attachment| attachment.commitment) };
        self.change_license(license, attachment.as_ref(), |draft| {
            LicenseVersion::check(saw, draft.license())?;
            let standing = draft.license().standing;
            draft.write(match (change, standing) {
                (StandingChange::Suspend, Standing::Active) => Body::LicenseSuspended(body.clone()),
                (StandingChange::Resume, Standing::Suspended) => Body::LicenseResumed(body.clone()),
                (StandingChange::Revoke, Standing::Active | Standing::Suspended) => {
                    Body::LicenseRevoked(body.clone())
                }
                (_, standing) => {
                    return Err(Refusal::new(
                        Code::StatusUnchanged,
                        format!("the licence is {}", standing.word()),
                    ));
                }
            })?;
            Ok(())
        })
    }

    /// Lets `change` work on one licence and stores what it leaves.
    pub(super) fn change_license(
        &mut self,
        license: &LicenseId,
        attachment: Option<&Attachment>,
        mut change: impl FnMut(&mut Draft<'_>) -> Result<(), Refusal>,
    ) -> Result<License, Refusal> {
        let mut after = None;
        let (issuer, now) = (&self.issuer, self.now);
        self.store.change_licenses(&[*license].into(), &mut |license, _| {
            let mut draft = Draft::resume(issuer, license, now);
            change(&mut draft).map_err(StoreError::Refused)?;
            let update = draft.finish();
            after = Some(update.license.clone());
            Ok(Change { update, attachments: attachment.into_iter().cloned().collect() })
        })?;
        after.ok_or_else(|| Refusal::new(Code::LicenseNotFound, license.uuid().to_string()))
    }

    fn issue_together(&mut self, orders: &[Order]) -> Result<Vec<IssuedLicense>, Refusal> {
        loop {
            for order in orders.iter().filter(|order| order.is_trial) {
                self.refuse_second_trial(&order.policy)?;
            }
            let mut issued = Vec::with_capacity(orders.len());
            let mut created = Vec::with_capacity(orders.len());
            for order in orders {
                let (license, change) = self.draft_license(order)?;
                issued.push(license);
                created.push(change);
            }
            // A reference that is taken is as likely as any other of 2^40: all are drawn again.
            if self.store.create_licenses(&created)? {
                return Ok(issued);
            }
        }
    }

    fn refuse_second_trial(&mut self, policy: &Policy) -> Result<(), Refusal> {
        let reference = license_key::trial_reference(policy.product.as_str());
        match self.store.license_of_key(&reference)? {
            Some(license) => Err(Refusal::new(Code::TrialExists, license.to_string())),
            None => Ok(()),
        }
    }

    fn draft_license(&self, order: &Order) -> Result<(IssuedLicense, Change), Refusal> {
        let reference = reference(order)?;
        let id = LicenseId(uuid::Uuid::now_v7().into_bytes());
        let origin = AuthorityOrigin {
            signer: self.issuer.certificate.id,
            product: order.policy.product.clone(),
            environment: self.home.environment().clone(),
            license: id,
            epoch: Epoch(0),
        };
        let terms = resolve(&order.policy, self.now);
        refuse_too_long(&terms)?;
        let first = LicenseIssued {
            key: reference,
            customer: order.customer,
            policy: order.policy.name.clone(),
            terms,
        };
        let update = Draft::issue(&self.issuer, origin, self.now, first)?.finish();
        let key = self.home.key_secret().license_key(reference);
        let issued = IssuedLicense { id, key, customer: order.customer, is_trial: order.is_trial };
        Ok((issued, Change { update, attachments: Vec::new() }))
    }
}

/// The public part of a new licence's key: random, or for a trial that of its product.
fn reference(order: &Order) -> Result<KeyReference, Refusal> {
    if order.is_trial {
        return Ok(license_key::trial_reference(order.policy.product.as_str()));
    }
    let mut reference = KeyReference([0; 5]);
    getrandom::fill(&mut reference.0).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
    Ok(reference)
}

/// Whether two keys have the same secret, in a time that tells nothing.
fn is_same(known: &LicenseKey, typed: &LicenseKey) -> bool {
    let any = ChainId([0; 32]);
    known.proves(&any, &typed.proof(&any))
}

/// Terms are refused before a grant that rests on them would be too long for its device.
pub(super) fn refuse_too_long(terms: &Terms) -> Result<(), Refusal> {
    if quotas::fits(terms) {
        return Ok(());
    }
    Err(Refusal::new(Code::TermsInvalid, "a grant with so many features and quotas is too long for a device"))
}

/// A reason is personal data: a commitment stands for it.
pub(crate) fn reason_attachment(reason: Option<&str>) -> Result<Option<Attachment>, Refusal> {
    reason
        .map(|reason| {
            commitment::attach(reason.as_bytes()).map_err(|error| Refusal::from_error(Code::Failed, &error))
        })
        .transpose()
}
