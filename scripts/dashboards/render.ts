/** A description -> Grafana's JSON, through Grafana's own builders. */

import * as common from '@grafana/grafana-foundation-sdk/common';
import {
	BigValueColorMode,
	BigValueGraphMode,
	GraphThresholdsStyleMode,
	LegendDisplayMode,
	LegendPlacement,
	SortOrder,
	StackingMode,
	TooltipDisplayMode,
} from '@grafana/grafana-foundation-sdk/common';
import {
	DashboardBuilder,
	DashboardCursorSync,
	DashboardLinkBuilder,
	DashboardLinkType,
	DatasourceVariableBuilder,
	QueryVariableBuilder,
	RowBuilder,
	ThresholdsConfigBuilder,
	ThresholdsMode,
	VariableRefresh,
	VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import type { Dashboard, Limit, Panel, Query } from './dashboard.ts';

type PanelBuilder = stat.PanelBuilder | timeseries.PanelBuilder;

const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' };
const WIDTH = 24;
const STAT_HEIGHT = 4;
const LINES_HEIGHT = 8;
/** Panels in a line: more are too narrow for a legend. */
const MAX_LINES_PER_ROW = 3;

/** What `$pods` stands for in Grafana. Pods of a Deployment are named after it, so no label of ours is needed on every series. */
const SELECTORS = {
	fleet: 'namespace="$namespace", pod=~"$fleet-[^-]+-[^-]+", pod=~"$pod"',
	operator: 'namespace="$namespace"',
};

export function renderDashboard(dashboard: Dashboard): string {
	const builder = new DashboardBuilder(dashboard.title)
		.uid(dashboard.id)
		.description(dashboard.about)
		.tags(['socketfleet'])
		.time({ from: 'now-1h', to: 'now' })
		.refresh('30s')
		.timezone('browser')
		.tooltip(DashboardCursorSync.Crosshair)
		.link(
			new DashboardLinkBuilder('Socketfleet')
				.type(DashboardLinkType.Dashboards)
				.tags(['socketfleet'])
				.asDropdown(true)
				.includeVars(true)
				.keepTime(true),
		);
	for (const variable of variablesOf(dashboard)) {
		builder.withVariable(variable);
	}
	let id = 1;
	for (const { title, panels } of dashboard.rows) {
		builder.withRow(new RowBuilder(title).id(id++));
		for (const panel of panels) {
			builder.withPanel(renderPanel(panel, panels.length, dashboard).id(id++));
		}
	}
	return `${JSON.stringify(builder.build(), undefined, '\t')}\n`;
}

/** The query as Grafana sends it, but for its variables. */
export function grafanaExpr({ expr }: Query, { of = 'fleet' }: Dashboard): string {
	return expr.replaceAll('$pods', SELECTORS[of]);
}

function variablesOf({ of = 'fleet' }: Dashboard): readonly (DatasourceVariableBuilder | QueryVariableBuilder)[] {
	const dataSource = new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus');
	const metric = of === 'fleet' ? 'socketfleet_workers' : 'socketfleet_operator_leader';
	const namespace = queryVariable('namespace', `label_values(${metric}, namespace)`);
	if (of === 'operator') {
		return [dataSource, namespace];
	}
	const fleet = queryVariable('fleet', 'label_values(socketfleet_workers{namespace="$namespace"}, pod)').regex('/^(.+)-[^-]+-[^-]+$/');
	const pod = queryVariable('pod', 'label_values(socketfleet_workers{namespace="$namespace", pod=~"$fleet-[^-]+-[^-]+"}, pod)')
		.multi(true)
		.includeAll(true)
		.allValue('.+');
	return [dataSource, namespace, fleet, pod];
}

function queryVariable(name: string, query: string): QueryVariableBuilder {
	return new QueryVariableBuilder(name)
		.label(`${name.charAt(0).toUpperCase()}${name.slice(1)}`)
		.datasource(DATA_SOURCE)
		.query(query)
		.refresh(VariableRefresh.OnTimeRangeChanged)
		.sort(VariableSort.NaturalAsc);
}

function renderPanel(panel: Panel, inRow: number, dashboard: Dashboard): PanelBuilder {
	const builder = panel.kind === 'stat' ? renderStat() : renderLines(panel);
	const perLine = panel.kind === 'stat' ? inRow : Math.min(inRow % 2 === 0 ? 2 : MAX_LINES_PER_ROW, inRow);
	builder
		.title(panel.title)
		.description(panel.help)
		.datasource(DATA_SOURCE)
		.unit(panel.unit)
		.min(0)
		.height(panel.kind === 'stat' ? STAT_HEIGHT : LINES_HEIGHT)
		.span(Math.floor(WIDTH / perLine))
		.thresholds(thresholdsOf(panel.limit));
	for (const [index, query] of panel.queries.entries()) {
		builder.withTarget(
			new DataqueryBuilder()
				.datasource(DATA_SOURCE)
				.refId(String.fromCharCode('A'.charCodeAt(0) + index))
				.expr(grafanaExpr(query, dashboard))
				.legendFormat(query.legend)
				.range(),
		);
	}
	return builder;
}

function renderStat(): stat.PanelBuilder {
	return new stat.PanelBuilder()
		.colorMode(BigValueColorMode.Value)
		.graphMode(BigValueGraphMode.Area)
		.reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']));
}

function renderLines({ kind, limit }: Panel): timeseries.PanelBuilder {
	const isStack = kind === 'stack';
	return new timeseries.PanelBuilder()
		.lineWidth(1)
		.fillOpacity(isStack ? 30 : 0)
		.stacking(new common.StackingConfigBuilder().mode(isStack ? StackingMode.Normal : StackingMode.None))
		.legend(
			new common.VizLegendOptionsBuilder()
				.displayMode(LegendDisplayMode.Table)
				.placement(LegendPlacement.Bottom)
				.showLegend(true)
				.calcs(['lastNotNull', 'max']),
		)
		.tooltip(new common.VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
		.thresholdsStyle(
			new common.GraphThresholdsStyleConfigBuilder().mode(limit ? GraphThresholdsStyleMode.Dashed : GraphThresholdsStyleMode.Off),
		);
}

function thresholdsOf(limit: Limit | undefined): ThresholdsConfigBuilder {
	const [base, beyond] = limit?.bad === 'below' ? ['red', 'green'] : ['green', 'red'];
	return new ThresholdsConfigBuilder()
		.mode(ThresholdsMode.Absolute)
		.steps([{ value: null, color: base }, ...(limit ? [{ value: limit.value, color: beyond }] : [])]);
}
