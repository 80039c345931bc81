/**
 * The certificate that all operators of a release serve with: made by whichever finds the Secret empty or its certificate near its end, kept in
 * the Secret, and made known to the API server in the APIService's `caBundle`. While one is replaced both are known.
 */
import { X509Certificate } from 'node:crypto';
import { AppError } from '../../base/errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, type ObjectRef, pickText, RESOURCES, secretText } from '../../kube/object.ts';
import { FIELD_MANAGER } from '../children.ts';
import { GROUP, VERSION } from './pod-metrics.ts';
import { createSelfSigned, type KeyAndCertificate } from './self-signed.ts';

export interface CertificateStoreOptions {
	readonly client: Pick<KubeClient, 'get' | 'replace' | 'patch'>;
	/** The Service; the Secret is the one of its name with `-tls`, and the chart has made both. */
	readonly service: ObjectRef;
	readonly now?: () => Date;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const VALID_MS = 365 * DAY_MS;
const RENEW_BEFORE_MS = 30 * DAY_MS;
const API_SERVICE: ObjectRef = { namespace: '', name: `${VERSION}.${GROUP}` };

export class CertificateStore {
	readonly #options: CertificateStoreOptions;

	constructor(options: CertificateStoreOptions) {
		this.#options = options;
	}

	/** The one to serve with; when this resolves the API server knows it. */
	async refresh(): Promise<KeyAndCertificate> {
		const { namespace, name } = this.#options.service;
		const secret = await this.#require(RESOURCES.Secret, { namespace, name: `${name}-tls` });
		const kept = this.#isFresh(secret) ? secret : await this.#renew(secret);
		await this.#publish(secretText(kept, 'ca.crt'));
		return { key: secretText(kept, 'tls.key'), certificate: secretText(kept, 'tls.crt') };
	}

	#isFresh(secret: KubeObject): boolean {
		const certificate = read(secretText(secret, 'tls.crt'));
		const key = secretText(secret, 'tls.key');
		return certificate !== undefined && key !== '' && certificate.validToDate.getTime() - this.#now().getTime() > RENEW_BEFORE_MS;
	}

	/** Of several operators that do it at once one wins; the others fail with a conflict, and find at the next try what it wrote. */
	async #renew(secret: KubeObject): Promise<KubeObject> {
		const { client, service } = this.#options;
		const now = this.#now().getTime();
		const host = `${service.name}.${service.namespace}.svc`;
		const { key, certificate } = await createSelfSigned({
			dnsNames: [host, `${host}.cluster.local`],
			// The clocks of the nodes differ.
			notBefore: new Date(now - HOUR_MS),
			notAfter: new Date(now + VALID_MS),
		});
		const before = secretText(secret, 'tls.crt');
		const known = `${certificate}${read(before) ? before : ''}`;
		const data = { 'tls.crt': encode(certificate), 'tls.key': encode(key), 'ca.crt': encode(known) };
		return client.replace(RESOURCES.Secret, { ...secret, data });
	}

	async #publish(bundle: string): Promise<void> {
		const { client, service } = this.#options;
		const apiService = await this.#require(RESOURCES.APIService, API_SERVICE);
		const owner = `${pickText(apiService, 'spec', 'service', 'namespace')}/${pickText(apiService, 'spec', 'service', 'name')}`;
		if (owner !== `${service.namespace}/${service.name}`) {
			throw new AppError(
				'ERR_CONFLICT',
				`the APIService ${API_SERVICE.name} leads to ${owner}: a cluster has one source of custom metrics`,
			);
		}
		const caBundle = encode(bundle);
		if (pickText(apiService, 'spec', 'caBundle') !== caBundle) {
			await client.patch(RESOURCES.APIService, API_SERVICE, { spec: { caBundle } }, FIELD_MANAGER);
		}
	}

	async #require(resource: (typeof RESOURCES)['Secret' | 'APIService'], ref: ObjectRef): Promise<KubeObject> {
		const object = await this.#options.client.get(resource, ref);
		if (!object) {
			throw new AppError('ERR_NOT_FOUND', `there is no ${resource.kind} ${ref.name}: upgrade the release of the operator's chart`);
		}
		return object;
	}

	#now(): Date {
		return this.#options.now?.() ?? new Date();
	}
}

function read(pem: string): X509Certificate | undefined {
	try {
		return new X509Certificate(pem);
	} catch {
		return undefined; // empty, or not of this form
	}
}

function encode(text: string): string {
	return Buffer.from(text).toString('base64');
}
