[(bare_key) (quoted_key)] @property
(table [(bare_key) (quoted_key)] @type)
(table (dotted_key (_) @type))
(table_array_element [(bare_key) (quoted_key)] @type)
(table_array_element (dotted_key (_) @type))
(string) @string
(escape_sequence) @escape
[(integer) (float) (offset_date_time) (local_date_time) (local_date) (local_time)] @number
(boolean) @constant
(comment) @comment
"=" @operator
["." "," "[" "]" "[[" "]]" "{" "}"] @punctuation
