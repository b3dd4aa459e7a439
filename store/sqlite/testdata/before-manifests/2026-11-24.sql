CREATE TABLE excerpt (id TEXT PRIMARY KEY NOT NULL,
	kind TEXT NOT NULL,
	sensor TEXT NOT NULL,
	stage TEXT NOT NULL,
	revision INTEGER NOT NULL,
	status TEXT NOT NULL,
	completeness INTEGER NOT NULL,
	body TEXT NOT NULL,
	"schema" ANY GENERATED ALWAYS AS (body ->> '$.schema') VIRTUAL,
	"purpose" ANY GENERATED ALWAYS AS (body ->> '$.purpose') VIRTUAL,
	"policy" ANY GENERATED ALWAYS AS (body ->> '$.policy') VIRTUAL,
	"class" ANY GENERATED ALWAYS AS (body ->> '$.class') VIRTUAL,
	"expires" ANY GENERATED ALWAYS AS (body ->> '$.expires') VIRTUAL,
	"site" ANY GENERATED ALWAYS AS (body ->> '$.site') VIRTUAL,
	"source" ANY GENERATED ALWAYS AS (body ->> '$.source') VIRTUAL,
	"missing" ANY GENERATED ALWAYS AS (body ->> '$.missing') VIRTUAL, dialog TEXT, unseen INTEGER, spool INTEGER, seq INTEGER, parts TEXT) STRICT;
CREATE INDEX excerpt_dialog ON excerpt (dialog) WHERE dialog IS NOT NULL;
INSERT INTO excerpt (id, kind, sensor, stage, revision, status, completeness, body, dialog, unseen, spool, seq, parts) VALUES ('a', 'call', 's1', 'stop', 1, 'complete', 100, '{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"a","dialog":null,"revision":1,"status":"complete","missing":[],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}', NULL, 0, 0, 0, NULL);
INSERT INTO excerpt (id, kind, sensor, stage, revision, status, completeness, body, dialog, unseen, spool, seq, parts) VALUES ('b', 'call', 's1', 'stop', 1, 'complete', 100, '{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"b","dialog":null,"revision":1,"status":"complete","missing":[],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}', NULL, 0, 0, 0, NULL);
INSERT INTO excerpt (id, kind, sensor, stage, revision, status, completeness, body, dialog, unseen, spool, seq, parts) VALUES ('whole', 'call', 's1', 'stop', 1, 'complete', 100, '{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"whole","dialog":"d","revision":1,"status":"complete","missing":[],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":null,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"observed","billable":true}', 'd', 0, 0, 0, '[{"stream":0,"number":0,"body":{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"whole","dialog":"d","revision":1,"status":"complete","missing":["bye"],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}},{"stream":0,"number":0,"body":{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"bye","dialog":"d","revision":1,"status":"complete","missing":["invite","final_response","ack"],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s2","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}}]');
