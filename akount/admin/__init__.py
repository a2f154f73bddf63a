"""The console: pages for owners and operators, below /admin. docs/console.md has the whole of it; this is how a page is made.

**A page** is a function in a module of this package, named in `console.PAGES` so that it is imported::

    @page("/tenants", Permission.OPERATE)
    def tenants() -> Response:
        found = scans.something(runtime(), call().actor, …)      # one service, which filters by call().actor.tenant_id
        return show("tenants.html", title="Tenants", rows=found)

- `runtime()`, `call()` come from `shell`: the console's own small pool (2 s a statement) and who asks, in which tenant.
  `call().actor.tenant_id` is None for an operator who looks at all tenants. Another tenant's thing is NotFound.
- The navigation has every page from the start (`shell.ENTRIES`): an entry shows as soon as a view of its name exists and
  who asks may open it. Nothing else is to be done for it. `/admin` leads to the first of them.
- Whatever changes something is an **action**, by POST only, and answers with `done` (303 and a flash)::

    @action("/tenants/<uuid:tenant_id>/pause", Permission.OPERATE)
    def pause_tenant(tenant_id: uuid.UUID) -> Response:
        scans.pause(runtime(), call(), …, reason=reason())       # the service writes the audit entry
        return done("The tenant is paused.", to=url_for(".tenants"))

- `refusal("pause_tenant")` says why who asks may not (empty: may); it looks at the same rule as the door does. In templates
  `may("pause_tenant")`; the macros `button` and `ask` show what may not be done as disabled, with the reason.
- What hurts is confirmed on a page: `confirm(...)` shows what will happen, to how many, a sample, and asks for the reason.
- Refused (`Refused` errors) becomes an HTML page with the same status; in an action, a red flash where one came from.

**A template** begins with `{% extends layout %}{% import "parts.html" as ui with context %}` and fills `main`. What is to be
fresh stands in an element with an id and `data-live`; rows of a list in `<tbody id=… data-live-rows>`, each `<tr>` with
`data-key`: they are changed in place, and new ones are announced, not pushed in. Macros of `parts.html`:

- `table(caption, heads)` … `</table>` by `call`; `badge(word, tone)`, `status(job)`; `when(instant)`, `since(instant)`;
- `form(endpoint, …)` by `call`: with the CSRF token; `button(endpoint, label, …)`: a form of one button; `ask(endpoint, label)`: a
  link to a confirming page; `reason()`: the field; `empty(tone, title, text)`; `pager(page)`; `meter(value, limit, label)`;
- `lines(chart)` and `bars(chart)`: SVG out of `charts.py`, with its table.

Filters: `count` (10k+), `seconds`, `share`, `plain`. Every text that is put out loses control and bidi characters
(`words.shown`). No inline script or style, no `|safe`, no `Markup` (tests/admin/test_templates.py).

**Refreshing**: `static/console.js` asks for `?fragment=1` of the same URL (only `main` and the strip, with an ETag) every few
seconds, and puts in place the elements with `data-live`, unless something is selected, focused, unfolded or paused.

**Tests**: tests/admin/test_console_rules.py walks every page and action × role × own and another's; if your route has an
argument of a new name, say in its `ada_has` what of Ada's it names.
"""
