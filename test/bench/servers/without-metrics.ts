/** Preloaded into a pod with `--import`: takes all measuring out of it, the baseline of what measuring costs. The product has no such option. */
import { registerHooks } from 'node:module';

/** As compiled. */
const MEASURING = ['/src/metrics/registry.js', '/src/metrics/runtime.js', '/src/worker/session-metrics.js'];
const SILENT = new URL('silent-metrics.js', import.meta.url).href;

registerHooks({
	resolve(specifier, context, nextResolve) {
		const resolved = nextResolve(specifier, context);
		return MEASURING.some((path) => resolved.url.endsWith(path)) ? { ...resolved, url: SILENT } : resolved;
	},
});
