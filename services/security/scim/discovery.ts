/** What a SCIM client can find out about this server (RFC 7643 5 to 7, RFC 7644 4). */
import { type Attribute, attributesOf, type JsonObject, type Kind, schemaOf } from './schema.ts';

export const maxCount = 200;
export const maxBytes = 2 ** 20;

export const listResponse = (
  resources: readonly JsonObject[],
  more: { readonly totalResults: number; readonly startIndex: number },
): JsonObject => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
  totalResults: more.totalResults,
  startIndex: more.startIndex,
  itemsPerPage: resources.length,
  Resources: resources,
});

export const providerConfig = (base: string): JsonObject => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  patch: { supported: true },
  bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: maxCount },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: true },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'Bearer token',
      description: 'Made with `sallyport scim-tokens create`; it is for one source.',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
});

const kinds: readonly Kind[] = ['User', 'Group'];

export const resourceTypes = (base: string): JsonObject[] =>
  kinds.map((kind) => ({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
    id: kind,
    name: kind,
    endpoint: `/${kind}s`,
    schema: schemaOf(kind),
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${kind}` },
  }));

export const schemas = (base: string): JsonObject[] =>
  kinds.map((kind) => ({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    id: schemaOf(kind),
    name: kind,
    attributes: attributesOf[kind].map(told),
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${schemaOf(kind)}` },
  }));

const told = (attribute: Attribute): JsonObject => ({
  name: attribute.name,
  type: attribute.type,
  multiValued: attribute.multi ?? false,
  description: attribute.about,
  required: attribute.required ?? false,
  caseExact: attribute.caseExact ?? false,
  mutability: attribute.readOnly ? 'readOnly' : 'readWrite',
  returned: 'default',
  uniqueness: attribute.unique ? 'server' : 'none',
  ...(attribute.sub && { subAttributes: attribute.sub.map(told) }),
});
