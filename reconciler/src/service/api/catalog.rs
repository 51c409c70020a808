//! `/v1/products`, `/v1/policies`, `/v1/customers`

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{self, Paging};
use super::terms::TermsOrder;
use crate::service::Service;
use crate::service::auth::{Audit, May, Operate};
use crate::service::input::{Json, Path, Query};
use crate::service::problem::{Problem, Refusals};
use crate::shown::catalog::{CustomerLine, NewCustomer, NewProduct, PolicyLine, ProductDetails, ProductLine};
use crate::vendor::products::{NewFeature, known_product};

/// A page of products.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct ProductPage {
    /// In the order of their names.
    products: Vec<ProductLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List products
#[utoipa::path(
    get, path = "/v1/products", tag = "catalog", operation_id = "list_products", params(Paging),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of them", body = ProductPage), Refusals)
)]
pub(in crate::service) async fn list_products(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(paging): Query<Paging>,
) -> Result<Answer<ProductPage>, Problem> {
    let catalog = service.office.lend(crate::vendor::Vendor::catalog).await?;
    let all: Vec<ProductLine> =
        catalog.products.into_iter().map(|(id, product)| ProductLine::of(id, product)).collect();
    let key = |line: &ProductLine| line.product.as_str().into();
    let (products, next_cursor) = cursor::page_of(all, &paging, "products", key)?;
    Ok(Answer(ProductPage { products, next_cursor }))
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct ProductOrder {
    /// The product's identifier, unique in the home.
    #[schema(value_type = String, max_length = 256)]
    product: Text,
    /// Its features, on or off, or metered with `:metered` behind the name.
    #[serde(default)]
    features: Vec<String>,
}

/// Define a product and its features
#[utoipa::path(
    post, path = "/v1/products", tag = "catalog", operation_id = "create_product", request_body = ProductOrder,
    security(("bearer" = ["operator"])),
    responses((status = 201, description = "The product", body = NewProduct), Refusals)
)]
pub(in crate::service) async fn create_product(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Json(order): Json<ProductOrder>,
) -> Result<(StatusCode, Answer<NewProduct>), Problem> {
    let ProductOrder { product, features } = order;
    refuse_nameless(&product, "product")?;
    let features = features.iter().map(|text| feature(text)).collect::<Result<Vec<NewFeature>, _>>()?;
    let made = service
        .office
        .lend(move |vendor| {
            let features = vendor.create_product(&product, &features)?.features;
            Ok(NewProduct { product, features })
        })
        .await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

fn feature(text: &str) -> Result<NewFeature, Refusal> {
    text.parse().map_err(|why| Refusal::new(Code::RequestInvalid, format!("features: {why}")))
}

/// Show a product and its policies
#[utoipa::path(
    get, path = "/v1/products/{product}", tag = "catalog", operation_id = "show_product",
    security(("bearer" = ["auditor"])), params(("product" = String, Path, description = "The product")),
    responses((status = 200, description = "The product", body = ProductDetails), Refusals)
)]
pub(in crate::service) async fn show_product(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(product): Path<Text>,
) -> Result<Answer<ProductDetails>, Problem> {
    let catalog = service.office.lend(crate::vendor::Vendor::catalog).await?;
    Ok(Answer(ProductDetails::of(&catalog, product)?))
}

/// Which policies are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct PolicyQuery {
    /// Only of this product.
    #[param(value_type = Option<String>)]
    product: Option<Text>,
    /// At most so many, up to 500; 50 where nothing is said.
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// A page of policies.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct PolicyPage {
    /// In the order of their names.
    policies: Vec<PolicyLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List policies
#[utoipa::path(
    get, path = "/v1/policies", tag = "catalog", operation_id = "list_policies", params(PolicyQuery),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of them", body = PolicyPage), Refusals)
)]
pub(in crate::service) async fn list_policies(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(query): Query<PolicyQuery>,
) -> Result<Answer<PolicyPage>, Problem> {
    let PolicyQuery { product, limit, cursor } = query;
    let catalog = service.office.lend(crate::vendor::Vendor::catalog).await?;
    if let Some(product) = &product {
        known_product(&catalog, product)?;
    }
    let all: Vec<PolicyLine> = catalog
        .policies
        .into_values()
        .filter(|(_, policy)| product.as_ref().is_none_or(|product| policy.product == *product))
        .map(|(defined_at, policy)| PolicyLine { policy, defined_at })
        .collect();
    let key = |line: &PolicyLine| line.policy.name.as_str().into();
    let filter = format!("policies {product:?}");
    let (policies, next_cursor) = cursor::page_of(all, &Paging { limit, cursor }, &filter, key)?;
    Ok(Answer(PolicyPage { policies, next_cursor }))
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct PolicyOrder {
    /// The policy's name, unique in the home.
    #[schema(value_type = String, max_length = 256)]
    policy: Text,
    /// The product.
    #[schema(value_type = String)]
    product: Text,
    /// Whether it is numbered and goes into the product's next packs, for sites that are reached by typed codes only.
    #[serde(default)]
    air_gapped: bool,
    /// What licences issued from it grant, and on what conditions.
    #[serde(default)]
    terms: TermsOrder,
}

/// Define a policy
#[utoipa::path(
    post, path = "/v1/policies", tag = "catalog", operation_id = "create_policy", request_body = PolicyOrder,
    security(("bearer" = ["operator"])),
    responses((status = 201, description = "The policy", body = PolicyLine), Refusals)
)]
pub(in crate::service) async fn create_policy(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Json(order): Json<PolicyOrder>,
) -> Result<(StatusCode, Answer<PolicyLine>), Problem> {
    let PolicyOrder { policy, product, air_gapped, terms } = order;
    refuse_nameless(&policy, "policy")?;
    let options = terms.options()?;
    let made = service
        .office
        .lend(move |vendor| {
            let known = vendor.product(&product)?.features;
            let policy = options.policy(policy, product, &known)?;
            let policy = vendor.create_policy(&policy, air_gapped)?;
            Ok(PolicyLine { policy, defined_at: vendor.now() })
        })
        .await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

/// Show a policy in full
#[utoipa::path(
    get, path = "/v1/policies/{policy}", tag = "catalog", operation_id = "show_policy",
    security(("bearer" = ["auditor"])), params(("policy" = String, Path, description = "The policy")),
    responses((status = 200, description = "The policy", body = PolicyLine), Refusals)
)]
pub(in crate::service) async fn show_policy(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(policy): Path<Text>,
) -> Result<Answer<PolicyLine>, Problem> {
    let mut catalog = service.office.lend(crate::vendor::Vendor::catalog).await?;
    let unknown = || Refusal::new(Code::PolicyUnknown, policy.as_str());
    let (defined_at, policy) = catalog.policies.remove(&policy).ok_or_else(unknown)?;
    Ok(Answer(PolicyLine { policy, defined_at }))
}

/// A page of customers.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct CustomerPage {
    /// In the order of their identifiers.
    customers: Vec<CustomerLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List customers
#[utoipa::path(
    get, path = "/v1/customers", tag = "catalog", operation_id = "list_customers", params(Paging),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of them", body = CustomerPage), Refusals)
)]
pub(in crate::service) async fn list_customers(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(paging): Query<Paging>,
) -> Result<Answer<CustomerPage>, Problem> {
    let mut all = service.office.lend(crate::vendor::Vendor::customers).await?;
    all.sort_by_key(|customer| customer.id);
    let all: Vec<CustomerLine> = all.into_iter().map(CustomerLine::of).collect();
    let key = |line: &CustomerLine| line.customer_id.as_bytes().to_vec();
    let (customers, next_cursor) = cursor::page_of(all, &paging, "customers", key)?;
    Ok(Answer(CustomerPage { customers, next_cursor }))
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct CustomerOrder {
    /// The customer's name.
    #[schema(value_type = String, max_length = 256)]
    name: Text,
}

/// Add a customer; one of that name that is there already is told and not added again
#[utoipa::path(
    post, path = "/v1/customers", tag = "catalog", operation_id = "create_customer", request_body = CustomerOrder,
    security(("bearer" = ["operator"])),
    responses((status = 201, description = "The customer, who may have been there", body = NewCustomer), Refusals)
)]
pub(in crate::service) async fn create_customer(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Json(CustomerOrder { name }): Json<CustomerOrder>,
) -> Result<(StatusCode, Answer<NewCustomer>), Problem> {
    refuse_nameless(&name, "name")?;
    let made = service
        .office
        .lend(move |vendor| {
            let customer_id = vendor.customers_named(std::slice::from_ref(&name))?[&name];
            Ok(NewCustomer { customer_id, name })
        })
        .await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

fn refuse_nameless(name: &Text, what: &str) -> Result<(), Refusal> {
    if name.as_str().trim().is_empty() { Err(Refusal::new(Code::TextInvalid, what)) } else { Ok(()) }
}
