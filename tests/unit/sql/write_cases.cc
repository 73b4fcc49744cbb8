// Statements that modify rows, INTO, several statements in a text, texts that do not parse.

#include "cases.h"

namespace pgsidecar::sql {

namespace {

constexpr Case kWriteCases[] = {
    {"with c as (delete from t where a = f(1) returning g(b)) select * from c",
     "select reads=t writes=t:delete functions=f,g operators== hazards=modifying_cte"},
    {"with c as (insert into t select * from u), d as (update v set a = 1) select 1",
     "select reads=t,u,v writes=t:insert,v:update hazards=modifying_cte"},
    {"with c as (update s.v set a = b from w where w.x = v.x) insert into t select * from c",
     "insert reads=t,w,s.v writes=t:insert,s.v:update operators== attributes=x "
     "hazards=modifying_cte"},
    {"with recursive c as (select 1 union all select * from c) search depth first by x set o cycle "
     "x set cyc to 'Y' default 'now' using p select * from c",
     "select operators=<,<>,=,> hazards=time_string"},
    {"with t as (select 1) update t set a = (select * from t)", "update reads=t writes=t:update"},
    {"with t as (select 1) insert into t select * from t", "insert reads=t writes=t:insert"},
    {"insert into t values (1, default, f($3))",
     "insert reads=t writes=t:insert functions=f parameters=3"},
    {"insert into t default values", "insert reads=t writes=t:insert"},
    {"insert into s.t (a, b[f(1)], c.d) overriding system value select x, y from u where z = 'q'",
     "insert reads=u,s.t writes=s.t:insert functions=f operators== attributes=d"},
    {"insert into t as x select 1 on conflict do nothing", "insert reads=t writes=t:insert"},
    {"insert into t values (1) on conflict (a, (f(b)), c collate \"C\" text_ops) where g(d) do "
     "update set a = excluded.a + h(1) where t.x = i(2) returning j(a), t.b",
     "insert reads=t writes=t:insert+update functions=f,g,h,i,j operators=+,= attributes=a,b,x "
     "collations=C"},
    {"insert into t values (1) on conflict on constraint t_pkey do update set (a, b) = (select c, "
     "d from u)",
     "insert reads=t,u writes=t:insert+update"},
    {"insert into t with c as (select 1) select * from c returning *",
     "insert reads=t writes=t:insert"},
    {"update t set a = 1", "update reads=t writes=t:update"},
    {"update only s.t as x set a = f(b), c[g(1)] = 2, d.e = default from u join v on u.i = v.i "
     "where x.k = u.k returning h(a)",
     "update reads=u,v,s.t writes=s.t:update+defaults functions=f,g,h operators== "
     "attributes=e,i,k"},
    {"update t set (a, b) = (select f(c), d from u), (c, d) = row (1, 2), (e) = (3)",
     "update reads=t,u writes=t:update functions=f"},
    {"update t set a = 1 where current of cur",
     "update reads=t writes=t:update hazards=current_of"},
    {"delete from t", "delete reads=t writes=t:delete"},
    {"delete from t as x using u, (select * from v) w where x.a = u.a returning f(x.b)",
     "delete reads=t,u,v writes=t:delete functions=f operators== attributes=a,b"},
    {"delete from s.t where current of cur",
     "delete reads=s.t writes=s.t:delete hazards=current_of"},
    {"merge into t using u on t.a = u.a when matched and f(u.b) then update set c = g(u.c) when "
     "matched then delete when not matched then insert (a, b) values (u.a, h(u.b))",
     "merge reads=t,u writes=t:insert+update+delete functions=f,g,h operators== attributes=a,b,c"},
    {"merge into t using (select * from v where x = 'now') u on true when matched then do nothing",
     "merge reads=t,v writes=t: operators== hazards=time_string"},
    {"with c as (select * from w) merge into s.t as x using c on x.a = c.a when not matched then "
     "insert default values",
     "merge reads=w,s.t writes=s.t:insert operators== attributes=a"},
    {"with c as (merge into t using u on true when matched then delete) select 1",
     "select reads=t,u writes=t:delete hazards=modifying_cte"},
    {"select xmlelement(name foo, xmlattributes(a as b), f(c)), xmlforest(a, b as d), xmlconcat(a, "
     "b)",
     "select functions=f hazards=xml"},
    {"select xmlparse(document a), xmlserialize(content f(b) as text), xmlroot(c, version '1', "
     "standalone yes), xmlpi(name x, 'y'), a is document",
     "select functions=f types=text hazards=xml"},
    {"select xmlexists('//a' passing b)", "select functions=pg_catalog.xmlexists"},
    {"select * from xmltable(xmlnamespaces('u' as n), '/r' passing f(d) columns a int path 'a' "
     "default g(1), b for ordinality, c date)",
     "select functions=f,g types=date,pg_catalog.int4 hazards=dynamic_date,xml"},
    {"select json_build_object('a', b), jsonb_path_query(c, '$.x'), json_object_agg(k, v), "
     "json_array(1, 2)",
     "select functions=json_array,json_build_object,json_object_agg,jsonb_path_query"},
    {"select treat(a as s.t)", "select functions=pg_catalog.t"},
    {"select 1; select 2 from t; update u set a = 1",
     "select ; select reads=t ; update reads=u writes=u:update"},
    {"select 1;;", "select"},
    {"select f(), g() from a, b, a, b where f() = g() and f() = g()",
     "select reads=a,b functions=f,g operators=="},
    {"select pg_temp.f(), t.x from pg_temp.t, pg_temp_3.u",
     "select reads=pg_temp.t,pg_temp_3.u functions=pg_temp.f attributes=x temp_schema"},
    {"select pg_temp.t.x, a::pg_temp.d", "select types=pg_temp.d attributes=x temp_schema"},
    {"select a into x from t", "ddl reads=t"},
    {"select a into temp x from t where f(b)", "create temporary reads=t functions=f"},
    {"select a into temporary table x from t union select b from u",
     "create temporary reads=t,u operators=<,=,>"},
    {"select a into unlogged x from t", "ddl reads=t"},
    {"select a into pg_temp.x from t", "create temporary reads=t temp_schema"},
    {"select ?", "error: syntax error at end of input"},
    {"select 1 from", "error: syntax error at end of input"},
    {"select 1 from t where x = 1_000",
     "error: trailing junk after numeric literal at or near \"1_\""},
    {"select json_exists(a, '$' passing 1 as b)", "error: syntax error at or near \"passing\""},
    {"set search_path to 'a, pg_temp'", "set settings=search_path='\"a, pg_temp\"' temp_schema"},
    {"select ~ a, !! b from t -- comment with now", "select reads=t operators=!!,~"},
    {"select /* now */ a from t", "select reads=t"},
    {"select * from t, lateral rows from (f(t.x)) r", "select reads=t functions=f attributes=x"},
    {"select a from t where a is json", "error: syntax error at or near \"json\""},
    {"create temp table x as select 1 into y", "unknown: INTO inside CREATE TABLE AS"},
    {"select 'abc", "error: unterminated quoted string at or near \"'abc\""},
};

}  // namespace

std::span<const Case> WriteCases() { return kWriteCases; }

}  // namespace pgsidecar::sql
