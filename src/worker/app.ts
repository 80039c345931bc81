/** The application: its contract, and loading it from a module. */
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Server, ServerOptions } from 'socket.io';
import { AppError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { AppRegistry } from '../metrics/registry.ts';
import type { Fleet } from './fleet.ts';

/** What the application is told about where it runs. */
export interface AppContext {
	readonly log: Logger;
	/** The effective configuration, secrets blanked. */
	readonly config: Config;
	/** Short id of this pod. */
	readonly pod: string;
	/** Index of this worker in its pod. */
	readonly worker: number;
	/** Aborts when the worker begins to drain. */
	readonly signal: AbortSignal;
	/** The application's own metrics; summed over the workers in `/metrics` like ours. */
	readonly metrics: AppRegistry;
	readonly fleet: Fleet;
}

export type Setup = (io: Server, context: AppContext) => void | Promise<void>;

export interface AppDefinition {
	/** Registers namespaces, middlewares and handlers. Connections are taken when it has resolved. */
	readonly setup: Setup;
	/** Serves every path that is not Socket.IO's: a plain listener, so Express and Fastify fit. */
	readonly http?: (req: IncomingMessage, res: ServerResponse) => void;
	/** Server options of Socket.IO that are not options of Socketfleet. */
	readonly options?: Partial<ServerOptions>;
	/** Runs once when the worker has drained, before it exits. */
	readonly close?: () => void | Promise<void>;
}

/** Names the parts of an application; gives back what it was given, typed. */
export function defineApp(app: AppDefinition): AppDefinition {
	return app;
}

const DEMO = '../demo/app';

/** Loads `path` (of the configuration, relative to `cwd`), or the demo when it is empty. Throws ERR_APP with what to do. */
export async function loadApp(path: string, cwd: string = process.cwd()): Promise<AppDefinition> {
	const file = path === '' ? demoFile() : resolve(cwd, path);
	if (!existsSync(file)) {
		throw new AppError(
			'ERR_APP',
			`application ${file} does not exist: give the path of a module to "socketfleet serve", or SOCKETFLEET_APP`,
		);
	}
	let module: { default?: unknown };
	try {
		module = (await import(pathToFileURL(file).href)) as { default?: unknown };
	} catch (error) {
		throw new AppError('ERR_APP', `application ${file} could not be loaded: ${messageOf(error)}`, { cause: error });
	}
	return toDefinition(module.default, file);
}

function demoFile(): string {
	const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
	return fileURLToPath(new URL(`${DEMO}${extension}`, import.meta.url));
}

function toDefinition(exported: unknown, file: string): AppDefinition {
	// A CommonJS module that was compiled from `export default` holds it one level down.
	const value = isObject(exported) && 'default' in exported ? exported.default : exported;
	if (typeof value === 'function') {
		return { setup: value as Setup };
	}
	if (isObject(value) && typeof value.setup === 'function') {
		return value as unknown as AppDefinition;
	}
	throw new AppError('ERR_APP', `application ${file} must export by default a function of (io, context), or defineApp({ setup, ... })`);
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}
