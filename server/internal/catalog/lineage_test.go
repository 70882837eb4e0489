package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A rule of the form PostgreSQL stores: an outer query with a subquery that
// has a target list of its own, a column with a name that looks like a field,
// an expression and a junk column.
const rule = `({QUERY :commandType 1 :rtable ({RANGETBLENTRY :subquery {QUERY :targetList ({TARGETENTRY :expr {VAR} :resno 1 :resname inner ` +
	`:resorigtbl 1 :resorigcol 1 :resjunk false}) :x 1} :alias {ALIAS :colnames ("a\ b" "q\)"x)}}) :targetList (` +
	`{TARGETENTRY :expr {VAR :varno 1 :location 8} :resno 1 :resname id :ressortgroupref 0 :resorigtbl 16385 :resorigcol 1 :resjunk false} ` +
	`{TARGETENTRY :expr {VAR} :resno 2 :resname :resorigtbl :ressortgroupref 0 :resorigtbl 16385 :resorigcol 2 :resjunk false} ` +
	`{TARGETENTRY :expr {OPEXPR :args ({VAR} {CONST :constvalue 4 [ 1 0 0 0 ]})} :resno 3 :resname a\ \)\}b :ressortgroupref 0 :resorigtbl 0 :resorigcol 0 :resjunk false} ` +
	`{TARGETENTRY :expr {VAR} :resno 4 :resname <> :ressortgroupref 1 :resorigtbl 16385 :resorigcol 3 :resjunk true} ` +
	`{TARGETENTRY :expr {VAR} :resno 5 :resname q"x :ressortgroupref 0 :resorigtbl 16390 :resorigcol 1 :resjunk false}) :override 0})`

func TestTargetList(t *testing.T) {
	want := []targetColumn{{1, column{16385, 1}}, {2, column{16385, 2}}, {3, column{}}, {5, column{16390, 1}}}
	if diff := cmp.Diff(want, parseTargetList(rule), cmp.AllowUnexported(targetColumn{}, column{})); diff != "" {
		t.Error(diff)
	}
}

func FuzzTargetList(f *testing.F) {
	for _, s := range []string{rule, "", "({QUERY :targetList ", "({QUERY :targetList ({TARGETENTRY :resno 99999999999999999999 :resorigtbl -1", `{:resname \`, "({QUERY :targetList (}}}"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, tree string) { parseTargetList(tree) })
}

// Views over views lead down to the table; a column may be shown twice.
func TestLineageIsFollowed(t *testing.T) {
	targets := map[uint32][]targetColumn{
		10: {{1, column{1, 1}}, {2, column{1, 2}}, {3, column{}}},
		20: {{1, column{10, 2}}, {2, column{10, 1}}, {3, column{10, 1}}, {4, column{10, 3}}},
		30: {{1, column{31, 1}}},
		31: {{1, column{30, 1}}},
	}
	names := map[column]string{{10, 1}: "a", {10, 2}: "b", {10, 3}: "c", {20, 1}: "B", {20, 2}: "A", {20, 3}: "A2", {20, 4}: "C", {30, 1}: "x"}
	want := map[uint32]map[column][]string{
		10: {{1, 1}: {"a"}, {1, 2}: {"b"}},
		20: {{1, 1}: {"A", "A2"}, {1, 2}: {"B"}},
	}
	if diff := cmp.Diff(want, resolveLineage(targets, names), cmp.AllowUnexported(column{})); diff != "" {
		t.Error(diff)
	}
}

func TestArrays(t *testing.T) {
	for _, elems := range [][]string{nil, {"a"}, {"a,b", `c"d`, `e\f`, "", "{g}", "h i"}} {
		if diff := cmp.Diff(elems, textArray([]byte(ArrayLiteral(elems)))); diff != "" {
			t.Error(diff)
		}
	}
	if got, err := int16Array([]byte("{1,-2,3}")); err != nil || !cmp.Equal(got, []int16{1, -2, 3}) {
		t.Error(got, err)
	}
	if _, err := int16Array([]byte("{x}")); err == nil {
		t.Error("a text is taken for a column number")
	}
}

func FuzzTextArray(f *testing.F) {
	f.Add("a", `b"\`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if diff := cmp.Diff([]string{a, b}, textArray([]byte(ArrayLiteral([]string{a, b})))); diff != "" {
			t.Error(diff)
		}
	})
}
