//! Products, policies and customers.

use ledger::catalog::{Catalog, Product};
use schemas::ids::CustomerId;
use schemas::numbers::Micros;
use schemas::pack::ProductFeature;
use schemas::refusal::Refusal;
use schemas::terms::Policy;
use schemas::text::Text;
use serde::Serialize;
use utoipa::ToSchema;

use crate::vendor::customers::Customer;
use crate::vendor::products::known_product;

/// What a list tells of a product.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProductLine {
    #[schema(value_type = String)]
    pub(crate) product: Text,
    #[schema(value_type = Vec<Object>)]
    pub(crate) features: Vec<ProductFeature>,
    /// The newest pack; 0: none was made.
    pub(crate) pack_version: u32,
    #[schema(value_type = String)]
    pub(crate) defined_at: Micros,
}

impl ProductLine {
    pub(crate) fn of(product: Text, known: Product) -> Self {
        let Product { features, pack_version, defined_at } = known;
        Self { product, features, pack_version, defined_at }
    }
}

/// Products.
#[derive(Serialize, ToSchema)]
pub(crate) struct Products {
    pub(crate) products: Vec<ProductLine>,
}

/// A product, with its policies.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProductDetails {
    #[serde(flatten)]
    pub(crate) product: ProductLine,
    #[schema(value_type = Vec<String>)]
    pub(crate) policies: Vec<Text>,
}

impl ProductDetails {
    /// That of a product of the catalog.
    ///
    /// # Errors
    /// `product_unknown`.
    pub(crate) fn of(catalog: &Catalog, product: Text) -> Result<Self, Refusal> {
        let known = known_product(catalog, &product)?.clone();
        let of_product = catalog.policies.values().filter(|(_, policy)| policy.product == product);
        let policies = of_product.map(|(_, policy)| policy.name.clone()).collect();
        Ok(Self { product: ProductLine::of(product, known), policies })
    }
}

/// A product that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewProduct {
    #[schema(value_type = String)]
    pub(crate) product: Text,
    #[schema(value_type = Vec<Object>)]
    pub(crate) features: Vec<ProductFeature>,
}

/// Policies.
#[derive(Serialize, ToSchema)]
pub(crate) struct Policies {
    pub(crate) policies: Vec<PolicyLine>,
}

/// A policy in full.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyLine {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) policy: Policy,
    #[schema(value_type = String)]
    pub(crate) defined_at: Micros,
}

/// Customers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Customers {
    pub(crate) customers: Vec<CustomerLine>,
}

/// A customer.
#[derive(Serialize, ToSchema)]
pub(crate) struct CustomerLine {
    #[schema(value_type = String)]
    pub(crate) customer_id: CustomerId,
    /// Absent when it was erased.
    pub(crate) name: Option<String>,
    #[schema(value_type = String)]
    pub(crate) defined_at: Micros,
}

impl CustomerLine {
    pub(crate) fn of(customer: Customer) -> Self {
        let Customer { id, name, defined_at } = customer;
        Self { customer_id: id, name, defined_at }
    }
}

/// A customer that is there now.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewCustomer {
    #[schema(value_type = String)]
    pub(crate) customer_id: CustomerId,
    #[schema(value_type = String)]
    pub(crate) name: Text,
}
